/** For `node --import`: what `pnpm tools` built is on the PATH. */

import { delimiter } from "node:path";
import { toolsBin } from "@tercet/cli/repository";

process.env["PATH"] = [toolsBin, process.env["PATH"]].join(delimiter);

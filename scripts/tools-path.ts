/** Loaded by `--import` before commands that run programs of others: what `pnpm tools` built is on their PATH. */
import { delimiter } from "node:path";
import { toolsBin } from "./go-tools.ts";

process.env["PATH"] = [toolsBin, process.env["PATH"]].join(delimiter);

import { runCommand } from "@tercet/cli";
import { startCommand } from "./start-command.ts";

await runCommand(startCommand());

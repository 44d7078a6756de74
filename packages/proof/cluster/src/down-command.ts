import { rm } from "node:fs/promises";
import { type Command, terminalListener } from "@tercet/cli";
import { endBox } from "./box.ts";
import { clusterFolder, defaultFolder } from "./folder.ts";

export const downCommand: Command = {
  help: `Usage: pnpm cluster down [--folder PATH]

Ends what "pnpm cluster up" started, also if that did not end in order: all processes, mounts,
interfaces and rules of the firewall are in its namespaces, and end with them. Removes the control
groups and the folder. Images are kept for the next time.

Options:
  --folder PATH   as given to "up"; default: ${defaultFolder()}`,
  options: { folder: { type: "string", default: defaultFolder() } },
  run: async ({ values, terminal }) => {
    const folder = clusterFolder(String(values["folder"]));
    await terminalListener(terminal).progress("down", async () => {
      await endBox(folder);
      await rm(folder.path, { recursive: true, force: true });
    });
    return 0;
  },
};

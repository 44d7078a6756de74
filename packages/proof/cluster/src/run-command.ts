import { type Command, CommandError } from "@tercet/cli";
import { execa } from "execa";
import { findBox, inNetwork } from "./box.ts";
import { clusterFolder, defaultFolder } from "./folder.ts";
import { environment } from "./kubectl.ts";

export const runInClusterCommand: Command = {
  help: `Usage: pnpm cluster run [--folder PATH] PROGRAM [ARGUMENT]...

Runs a program of this machine in the network of the cluster, with its kubeconfig: kubectl, helm, a
script of infra/scripts, curl.

Options:
  --folder PATH   as given to "up"; default: ${defaultFolder()}`,
  options: { folder: { type: "string", default: defaultFolder() } },
  allowWords: true,
  run: async ({ values, words, signal }) => {
    const folder = clusterFolder(String(values["folder"]));
    const box = await findBox(folder);
    if (box === undefined)
      throw new CommandError(`no cluster runs in ${folder.path}: "pnpm cluster up" starts one`);
    if (words.length === 0) throw new CommandError("no program is given; see --help");
    const { exitCode } = await execa("nsenter", [...inNetwork(box), ...words], {
      ...{ env: environment(folder), stdio: "inherit", reject: false, cancelSignal: signal },
    });
    return exitCode ?? 1;
  },
};

/** Puts `--` before the program of `run [--folder PATH] PROGRAM ...`: what follows is its own. */
export function endOptionsAtProgram(argv: string[]): void {
  const FIRST = 3;
  const program = argv.findIndex(
    (argument, index) =>
      index >= FIRST && !argument.startsWith("-") && argv[index - 1] !== "--folder",
  );
  if (program > 0 && !argv.slice(FIRST, program).includes("--")) argv.splice(program, 0, "--");
}

import { type Command, CommandError } from "@tercet/cli";
import { execa } from "execa";
import { findBox, inNetwork } from "./box.ts";
import { type Check, SkippedCheck } from "./check.ts";
import { backup } from "./checks/backup.ts";
import { drain, takeover } from "./checks/faults.ts";
import { overlay, production } from "./checks/manifests.ts";
import { networkPolicies } from "./checks/network.ts";
import { helmTest, reinstall, rollback, smoke, upgrade } from "./checks/release.ts";
import { openCluster } from "./cluster.ts";
import { clusterFolder, defaultFolder } from "./folder.ts";

/** In order: the upgrade gives what those after it need, the rollback takes it back. */
const CHECKS: readonly Check[] = [
  helmTest,
  smoke,
  networkPolicies,
  upgrade,
  backup,
  takeover,
  drain,
  rollback,
  reinstall,
  production,
  overlay,
];

/** Set in the process that is in the network of the cluster. */
const INSIDE = "TERCET_CLUSTER_INSIDE";

export const testCommand: Command = {
  help: `Usage: pnpm cluster test [--folder PATH] [--only TEXT]

Tries the system in the cluster that "pnpm cluster up" has started:
${CHECKS.map(({ name }) => `  ${name}`).join("\n")}

The exit code is 1 if a check failed.

Options:
  --folder PATH   as given to "up"; default: ${defaultFolder()}
  --only TEXT     only the checks whose name has this text`,
  options: {
    folder: { type: "string", default: defaultFolder() },
    only: { type: "string", default: "" },
  },
  run: async ({ env, values, terminal, signal }) => {
    const folder = clusterFolder(String(values["folder"]));
    const box = await findBox(folder);
    if (box === undefined)
      throw new CommandError(`no cluster runs in ${folder.path}: "pnpm cluster up" starts one`);
    if (env[INSIDE] === undefined) {
      const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
      again.splice(again.indexOf(process.argv[1] ?? "") + 1, 0, "test");
      const { exitCode } = await execa("nsenter", [...inNetwork(box), ...again], {
        ...{ env: { [INSIDE]: "1" }, stdio: "inherit", reject: false, cancelSignal: signal },
      });
      return exitCode ?? 1;
    }
    const cluster = openCluster(box, folder, signal);
    const checks = CHECKS.filter(({ name }) => name.includes(String(values["only"])));
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const { name, run } of checks) {
      const start = performance.now();
      const [result, said] = await run(cluster).then(
        (sentence) => ["passed", sentence] as const,
        (error: Error) =>
          [error instanceof SkippedCheck ? "skipped" : "failed", messageOf(error)] as const,
      );
      signal.throwIfAborted();
      counts[result] += 1;
      const style = { passed: "green", failed: "red", skipped: "yellow" } as const;
      const seconds = ((performance.now() - start) / 1_000).toFixed(1);
      terminal.line(
        `${terminal.styled(style[result], result.toUpperCase())}  ${name}  ${seconds} s`,
      );
      terminal.line(`        ${said.replaceAll("\n", "\n        ")}`);
    }
    const { passed, failed, skipped } = counts;
    terminal.line(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return failed === 0 ? 0 : 1;
  },
};

const messageOf = (error: Error): string =>
  error instanceof CommandError || error instanceof SkippedCheck
    ? error.message
    : (error.stack ?? error.message);

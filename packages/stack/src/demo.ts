import { join } from "node:path";
import { runCommand, terminalListener } from "@tercet/cli";
import { envToConfig } from "./config.ts";
import { demoProgress, demoReport } from "./demo-report.ts";
import { runDemo } from "./demo-run.ts";
import { StackError } from "./errors.ts";
import { demoHelp } from "./help.ts";
import { findRunning } from "./running.ts";
import { readSecrets } from "./secrets.ts";
import { startStack } from "./stack.ts";

await runCommand({
  help: demoHelp,
  run: async ({ env, terminal, signal }) => {
    const config = envToConfig(env);
    // The demo causes warnings of the services on purpose.
    const listener = { ...terminalListener(terminal), notice: () => {} };
    await using started = new AsyncDisposableStack();
    const { urls, dataDir } =
      (await findRunning(config)) ?? started.use(await startStack(config, { listener, signal }));
    const secrets = await readSecrets(join(dataDir, "secrets.json"));
    if (secrets === undefined)
      throw new StackError(
        `a stack runs at ${urls.edge}, but its passwords are not in ${dataDir}: set DATA_DIR to its folder`,
      );
    const target = { url: urls.edge, passwords: secrets.passwords };
    const results = await runDemo(target, demoProgress(terminal), signal);
    return demoReport(results, terminal) ? 0 : 1;
  },
});

import { join } from "node:path";
import { runCommand, terminalListener } from "@tercet/cli";
import { envToConfig, type StackConfig } from "./config.ts";
import { demoProgress, demoReport } from "./demo-report.ts";
import { type DemoTarget, runDemo } from "./demo-run.ts";
import { StackError } from "./errors.ts";
import { demoHelp } from "./help.ts";
import { findRunning } from "./running.ts";
import { readSecrets } from "./secrets.ts";
import { type Stack, startStack } from "./stack.ts";

await runCommand({
  help: demoHelp,
  run: async ({ env, terminal, signal }) => {
    const config = envToConfig(env);
    // The demo causes warnings of the services on purpose.
    const listener = { ...terminalListener(terminal), notice: () => {} };
    const running = await targetOf(config);
    await using started =
      running === undefined ? await startStack(config, { listener, signal }) : undefined;
    const target =
      running ?? (started && { url: started.urls.edge, passwords: passwordsOf(started.users) });
    if (target === undefined) return 1;
    const results = await runDemo(target, demoProgress(terminal), signal);
    return demoReport(results, terminal) ? 0 : 1;
  },
});

/** Returns the stack that is running; undefined if none is. */
async function targetOf(config: StackConfig): Promise<DemoTarget | undefined> {
  const running = await findRunning(config);
  if (running === undefined) return undefined;
  const { edge: url } = running.urls;
  const secrets = await readSecrets(join(running.dataDir, "secrets.json"));
  if (secrets === undefined)
    throw new StackError(
      `a stack runs at ${url}, but its passwords are not in ${running.dataDir}: set DATA_DIR to its folder`,
    );
  return { url, passwords: secrets.passwords };
}

function passwordsOf({ alice, olivia }: Stack["users"]): DemoTarget["passwords"] {
  return { alice: alice.password, olivia: olivia.password };
}

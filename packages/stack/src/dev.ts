import { once } from "node:events";
import { runCommand } from "./cli.ts";
import { envToConfig } from "./config.ts";
import { devHelp } from "./help.ts";
import { compileChanges, type Rebuilt, watchBuilds } from "./rebuild.ts";
import { type Stack, startStack } from "./stack.ts";
import { type Terminal, terminalListener } from "./terminal.ts";
import { welcome } from "./welcome.ts";

await runCommand({
  help: devHelp,
  run: async ({ env, terminal, signal }) => {
    const stack = await startStack(envToConfig(env), { listener: terminalListener(terminal), signal });
    terminal.line(welcome(stack, terminal));
    compileChanges((line) => terminal.line(terminal.styled("dim", line)), signal);
    watchBuilds((rebuilt) => restart(stack, rebuilt, terminal), signal);
    if (!signal.aborted) await once(signal, "abort");
    await stack[Symbol.asyncDispose]();
    return 0;
  },
});

/** One after the other, so that the others answer meanwhile. A service that does not start is said, and tried again at the next change. */
async function restart(stack: Stack, rebuilt: Rebuilt, terminal: Terminal): Promise<void> {
  for (const name of rebuilt) {
    try {
      await stack.services[name].stop();
      await stack.services[name].start();
      terminal.line(`${terminal.styled("green", "✓")} ${name} runs what you changed`);
    } catch (error) {
      terminal.line(`${terminal.styled("red", "✗")} ${error instanceof Error ? error.message : error}`);
    }
  }
}

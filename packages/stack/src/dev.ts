import { runCommand, type Terminal, terminalListener } from "@tercet/cli";
import { envToConfig, type ServiceName } from "./config.ts";
import { devHelp } from "./help.ts";
import { rebuild, sourceChanges } from "./rebuild.ts";
import { type Stack, startStack } from "./stack.ts";
import { welcome } from "./welcome.ts";

await runCommand({
  help: devHelp,
  run: async ({ env, terminal, signal }) => {
    const stack = await startStack(envToConfig(env), {
      listener: terminalListener(terminal),
      signal,
    });
    terminal.line(welcome(stack, terminal));
    for await (const changes of sourceChanges(signal)) {
      const problems = await rebuild(changes, signal);
      if (problems === "")
        for (const name of changes.services) await restart(stack, name, terminal);
      else if (!signal.aborted) terminal.line(`${terminal.styled("red", "✗")} ${problems}`);
    }
    await stack[Symbol.asyncDispose]();
    return 0;
  },
});

/** If the service does not start, the reason is shown; the next change restarts it again. */
async function restart({ services }: Stack, name: ServiceName, terminal: Terminal): Promise<void> {
  try {
    await services[name].stop();
    await services[name].start();
    terminal.line(`${terminal.styled("green", "✓")} ${name} restarted with your change`);
  } catch (error) {
    terminal.line(
      `${terminal.styled("red", "✗")} ${error instanceof Error ? error.message : error}`,
    );
  }
}

import { runCommand, type Terminal, terminalListener } from "@tercet/cli";
import { envToConfig, type ServiceName } from "./config.ts";
import { devHelp } from "./help.ts";
import { type Changes, rebuild, sourceChanges } from "./rebuild.ts";
import { type Stack, startStack } from "./stack.ts";
import { welcome } from "./welcome.ts";

const NOTHING: Changes = { contracts: false, services: new Set() };

await runCommand({
  help: devHelp,
  run: async ({ env, terminal, signal }) => {
    const stack = await startStack(envToConfig(env), {
      listener: terminalListener(terminal),
      signal,
    });
    terminal.line(welcome(stack, terminal));
    let unbuilt = NOTHING;
    for await (const changes of sourceChanges(signal)) {
      // What could not be built before is built with what repairs it.
      unbuilt = {
        contracts: unbuilt.contracts || changes.contracts,
        services: new Set([...unbuilt.services, ...changes.services]),
      };
      const problems = await rebuild(unbuilt, signal);
      if (problems === "") {
        for (const name of unbuilt.services) await restart(stack, name, terminal);
        unbuilt = NOTHING;
      } else if (!signal.aborted) terminal.line(`${terminal.styled("red", "✗")} ${problems}`);
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

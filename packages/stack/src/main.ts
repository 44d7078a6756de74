import { once } from "node:events";
import { runCommand, terminalListener } from "@tercet/cli";
import { envToConfig } from "./config.ts";
import { startHelp } from "./help.ts";
import { startStack } from "./stack.ts";
import { welcome } from "./welcome.ts";

await runCommand({
  help: startHelp,
  run: async ({ env, terminal, signal }) => {
    const stack = await startStack(envToConfig(env), {
      listener: terminalListener(terminal),
      signal,
    });
    terminal.line(welcome(stack, terminal));
    if (!signal.aborted) await once(signal, "abort");
    terminal.line("stopping: waiting for calls in flight");
    await stack[Symbol.asyncDispose]();
    terminal.line("stopped; the orders are kept");
    return 0;
  },
});

import { once } from "node:events";
import { type Command, terminalListener } from "@tercet/cli";
import type { ConsoleSettings } from "@tercet/console-server";
import type { Env } from "@tercet/service";
import type { FastifyInstance } from "fastify";
import { envToConfig } from "./config.ts";

import { startHelp } from "./help.ts";
import { seededUsers } from "./secrets.ts";
import { type Stack, startStack } from "./stack.ts";
import { welcome } from "./welcome.ts";

/** What is served at the edge besides the services, and knows the whole running system. */
export interface StackExtension extends AsyncDisposable {
  /** What the console learns of it. */
  readonly settings: Pick<ConsoleSettings, "lab">;
  /** Adds its routes, before the system runs. */
  routes(app: FastifyInstance): void;
  /** The system runs. */
  attach(stack: Stack): void;
}

export interface StartCommandOptions {
  /** Variables that the user has not set. */
  readonly env?: Env;
  readonly extension?: () => StackExtension;
}

/** The command that starts the system and runs it until Ctrl-C. */
export const startCommand = ({ env: defaults, extension }: StartCommandOptions = {}): Command => ({
  help: startHelp,
  run: async ({ env, terminal, signal }) => {
    const added = extension?.();
    const users = seededUsers.map(({ name, roles }) => ({ name, roles: [...roles] }));
    const stack = await startStack(envToConfig({ ...defaults, ...env }), {
      listener: terminalListener(terminal),
      signal,
      site: {
        console: {
          traceUrl: env["CONSOLE_TRACE_URL"],
          logsUrl: env["CONSOLE_LOGS_URL"],
          ...(added && { ...added.settings, users }),
        },
        ...(added && { extend: (app) => added.routes(app) }),
      },
    });
    added?.attach(stack);
    terminal.line(welcome(stack, terminal));
    if (!signal.aborted) await once(signal, "abort");
    terminal.line("stopping: waiting for calls in flight");
    await added?.[Symbol.asyncDispose]();
    await stack[Symbol.asyncDispose]();
    terminal.line("stopped; the orders are kept");
    return 0;
  },
});

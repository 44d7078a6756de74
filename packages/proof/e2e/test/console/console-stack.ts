import { Lab } from "@tercet/lab";
import type { Env } from "@tercet/service";
import { ANY_PORT, envToConfig, type Stack, startStack } from "@tercet/stack";

/** The embedded stack as `pnpm start` runs it: with the console and its crash lab. */
export interface ConsoleStack extends AsyncDisposable {
  readonly stack: Stack;
  readonly lab: Lab;
}

export async function startConsoleStack(dataDir: string, env: Env = {}): Promise<ConsoleStack> {
  const lab = new Lab();
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: dataDir, ...env });
  const users = [
    { name: "alice", roles: ["customer"] },
    { name: "olivia", roles: ["operator"] },
  ];
  const stack = await startStack(config, {
    site: { console: { ...lab.settings, users }, extend: (app) => lab.routes(app) },
  });
  lab.attach(stack);
  return {
    stack,
    lab,
    [Symbol.asyncDispose]: async () => {
      await lab[Symbol.asyncDispose]();
      await stack[Symbol.asyncDispose]();
    },
  };
}

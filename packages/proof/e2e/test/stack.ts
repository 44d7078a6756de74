import { type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { ANY_PORT, envToConfig, MANY_CALLS, type Stack, startStack } from "@tercet/stack";

export type TestFolder = TemporaryFolder;

/** Creates a folder for the data of a stack. Disposal deletes it. */
export const testFolder = (): Promise<TestFolder> => temporaryFolder("e2e");

/**
 * Starts the whole system at free ports, from what `tsc -b` built. `orderEnv` overrides the
 * environment of Order alone.
 */
export function startTestStack(
  { path }: TestFolder,
  env: Env = {},
  orderEnv: Env = {},
): Promise<Stack> {
  const config = envToConfig({ ...ANY_PORT, ...MANY_CALLS, DATA_DIR: path, ...env });
  const { order } = config.serviceEnv;
  return startStack({
    ...config,
    serviceEnv: { ...config.serviceEnv, order: { ...order, ...orderEnv } },
  });
}

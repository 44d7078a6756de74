import { type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { ANY_PORT, envToConfig, type Stack, startStack } from "@tercet/stack";

export type TestFolder = TemporaryFolder;

/** A folder for the data of a stack, gone with everything in it when it is disposed of. */
export const testFolder = (): Promise<TestFolder> => temporaryFolder("e2e");

/**
 * The whole system at free ports. Its services run what `tsc -b` built. `orderEnv` is for the Order
 * service alone, over what the stack decides.
 */
export function startTestStack(
  { path }: TestFolder,
  env: Env = {},
  orderEnv: Env = {},
): Promise<Stack> {
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: path, ...env });
  const { order } = config.serviceEnv;
  return startStack({
    ...config,
    serviceEnv: { ...config.serviceEnv, order: { ...order, ...orderEnv } },
  });
}

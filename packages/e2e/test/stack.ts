import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Env } from "@tercet/service";
import { envToConfig, type Stack, startStack } from "@tercet/stack";

export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

/** A folder for the data of a stack, gone with everything in it when it is disposed of. */
export async function testFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "tercet-e2e-"));
  // As root the database runs as another user, who must be able to enter.
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const ANY_PORT = { IDENTITY_PORT: "0", ORDER_PORT: "0", PAYMENT_PORT: "0", EDGE_PORT: "0", POSTGRES_PORT: "0" };

/** The whole system at free ports. Its services run what `tsc -b` built. `orderEnv` is for the Order service alone, over what the stack decides. */
export function startTestStack({ path }: TestFolder, env: Env = {}, orderEnv: Env = {}): Promise<Stack> {
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: path, ...env });
  const { order } = config.serviceEnv;
  return startStack({ ...config, serviceEnv: { ...config.serviceEnv, order: { ...order, ...orderEnv } } });
}

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Env } from "@tercet/service";

/** For a stack beside others: every part listens wherever there is room. */
export const ANY_PORT: Env = { IDENTITY_PORT: "0", ORDER_PORT: "0", PAYMENT_PORT: "0", EDGE_PORT: "0", POSTGRES_PORT: "0" };

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** A folder for the data of a stack; gone with everything in it when it is disposed of. */
export async function temporaryFolder(purpose: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), `tercet-${purpose}-`));
  // As root the database runs as another user, who must be able to enter.
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

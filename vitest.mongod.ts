import { provideMongod } from "@tercet/cli/repository";

/**
 * Names a `mongod` to mongodb-memory-server, unless a server or a program is named already. Without
 * it, the tests that need it are skipped.
 */
export async function nameMongod(): Promise<void> {
  const { MONGODB_URL, MONGOMS_SYSTEM_BINARY } = process.env;
  if (MONGODB_URL !== undefined || MONGOMS_SYSTEM_BINARY !== undefined) return;
  try {
    process.env["MONGOMS_SYSTEM_BINARY"] = await provideMongod();
    process.env["MONGOMS_SYSTEM_BINARY_VERSION_CHECK"] = "false";
  } catch (error) {
    const [reason] = String(error).split("\n");
    process.stderr.write(`WITHOUT MONGODB: tests that need it are skipped: ${reason}\n`);
  }
}

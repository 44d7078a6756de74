import { join } from "node:path";
import { freePort, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { databaseUrl, FORMER_PASSWORD, startPostgres } from "../src/postgres.ts";

let temporary: TemporaryFolder;
beforeAll(async () => {
  temporary = await temporaryFolder("embedded-postgres");
});
afterAll(() => temporary?.[Symbol.asyncDispose]());

async function logIn(port: number, password: string): Promise<string> {
  const sql = postgres(databaseUrl({ port, password }, "postgres"), { max: 1, onnotice: () => {} });
  try {
    await sql`select 1`;
    return "accepted";
  } catch (error) {
    return String((error as { code?: unknown }).code);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

test("a folder with the former password starts, and has the generated one from then on", async () => {
  const folder = join(temporary.path, "postgres");
  const start = async (password: string) => {
    const port = await freePort();
    return { port, server: await startPostgres({ folder, port, password }) };
  };
  const generated = 'generated\' by "these" tests: \\';
  {
    const { port, server } = await start(FORMER_PASSWORD);
    await using _ = server;
    expect(await logIn(port, FORMER_PASSWORD)).toBe("accepted");
  }
  for (let n = 0; n < 2; n++) {
    const { port, server } = await start(generated);
    await using _ = server;
    expect(await logIn(port, generated)).toBe("accepted");
    expect(await logIn(port, FORMER_PASSWORD)).toBe("28P01");
  }
  await expect(start("another password")).rejects.toThrow("another password than in secrets.json");
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { freePort, ROOT } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { describe, expect, test } from "vitest";
import { testFolder } from "./stack.ts";

const services = ["identity", "order", "payment"] as const;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly said: string;
}

function start(service: string, program: string, env: Env) {
  const child = spawn(process.execPath, [join(ROOT, "packages", service, "dist", program)], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => void said.push(String(chunk)));
  const ended = once(child, "close").then(
    ([code, signal]): Ended => ({ code, signal, said: said.join("") }),
  );
  return { child, ended };
}

/**
 * All variables that the three services need. None of the URLs is called before the schema is
 * checked.
 */
async function serviceEnv(databaseUrl: string, bookDir: string): Promise<Env> {
  const unused = "http://127.0.0.1:1";
  return {
    HOST: "127.0.0.1",
    PORT: String(await freePort()),
    DATABASE_URL: databaseUrl,
    TOKEN_ISSUER: unused,
    TOKEN_SECRET: "a secret of more than thirty-two characters",
    IDENTITY_URL: unused,
    PAYMENT_URL: unused,
    SERVICE_CLIENT_SECRET: "a secret of a client",
    MIGRATE_AT_START: "false",
    PROVIDER_BOOK_DIR: bookDir,
  };
}

describe.each(services)("%s", (service) => {
  test("migrates a fresh database by a process of its own, again without effect; before that the service does not start where it may not migrate", async () => {
    await using database = await testDatabase();
    await using folder = await testFolder();
    const refused = await start(service, "main.js", await serviceEnv(database.url, folder.path))
      .ended;
    expect(refused).toMatchObject({
      code: 1,
      said: expect.stringContaining("the database's schema is behind: it lacks 0000_"),
    });
    for (const _ of ["fresh", "again"]) {
      const { code, said } = await start(service, "migrate.js", {
        DATABASE_URL: database.url,
        ENVIRONMENT: "staging",
      }).ended;
      expect(code, said).toBe(0);
      expect(JSON.parse(said)).toMatchObject({
        service,
        environment: "staging",
        msg: "the schema is up to date",
      });
    }
  });

  test("that process says what is wrong, and ends with 1", async () => {
    expect(await start(service, "migrate.js", {}).ended).toMatchObject({
      code: 1,
      said: expect.stringContaining("DATABASE_URL: is not set"),
    });
    const gone = await start(service, "migrate.js", {
      DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/gone`,
    }).ended;
    expect(gone).toMatchObject({ code: 1, said: expect.stringContaining("ECONNREFUSED") });
  });

  test("SIGTERM ends it while it waits for a database that says nothing", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    const { child, ended } = start(service, "migrate.js", {
      DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/silent`,
    });
    await once(silent, "connection");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143, signal: null });
    silent.close();
  });
});

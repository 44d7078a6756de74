import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, silentListener, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ensureDatabases } from "../src/databases.ts";
import { stopLeftOver } from "../src/left-over.ts";
import { type EmbeddedPostgres, startPostgres } from "../src/postgres.ts";

let temporary: TemporaryFolder;
let folder: string;
let pidFile: string;
const password = "a password of these tests";
beforeAll(async () => {
  temporary = await temporaryFolder("left-over");
  folder = join(temporary.path, "postgres");
  pidFile = join(folder, "postmaster.pid");
});
afterAll(() => temporary?.[Symbol.asyncDispose]());

const start = async (): Promise<EmbeddedPostgres> =>
  startPostgres({ folder, port: await freePort(), password });

async function notesOf(stopping: (listener: typeof silentListener) => Promise<void>) {
  const notices: string[] = [];
  const progress: string[] = [];
  await stopping({
    progress: (what, work) => {
      progress.push(what);
      return work();
    },
    notice: (sentence) => notices.push(sentence),
  });
  return { notices, progress };
}

test("the server of a stack that was killed is stopped", async () => {
  const server = await start();
  const seen = await notesOf((listener) => stopLeftOver(folder, listener));
  expect(seen).toEqual({
    notices: [],
    progress: ["stopping the PostgreSQL of the stack that was killed"],
  });
  expect(await server.exited).toBe("exit code 0");
});

test("one that does not end by itself is killed, and what it committed is there", async () => {
  const server = await start();
  await ensureDatabases(server.databaseUrl("postgres"), ["kept"]);
  process.kill(server.pid, "SIGSTOP");
  await stopLeftOver(folder, silentListener, [
    ["SIGINT", 100],
    ["SIGKILL", 10_000],
  ]);
  expect(await server.exited).toBe("SIGKILL");
  await using again = await start();
  // Connects to it.
  await ensureDatabases(again.databaseUrl("kept"), []);
});

/** A process of the account that PostgreSQL runs as, so that PostgreSQL sees that it is alive. */
async function stranger(cwd: string, command: string, args: string[]): Promise<ChildProcess> {
  const { uid, gid } = await stat(folder);
  const child = spawn(command, args, { cwd, stdio: "ignore", uid, gid });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  return child;
}

test.each([
  ["elsewhere", () => "/"],
  ["in the folder", () => folder],
])(
  "another process, %s, with the id that a crash left behind is left alone, and the server starts",
  async (_where, cwd) => {
    const first = await start();
    const left = await readFile(pidFile, "utf8");
    await first[Symbol.asyncDispose]();
    // Named as the server is, with the folder among its arguments.
    const program = join(temporary.path, "postgres_exporter");
    await copyFile("/bin/sleep", program);
    await chmod(program, 0o755);
    const impostor = await stranger(cwd(), "/bin/sh", [
      "-c",
      `exec "${program}" 600 # postgres -D ${folder} -p 5433`,
    ]);
    await writeFile(pidFile, left.replace(/^\d+/, String(impostor.pid)));

    const { notices, progress } = await notesOf((listener) => stopLeftOver(folder, listener));
    expect(progress).toEqual([]);
    expect(notices).toEqual([
      `${pidFile} names process ${impostor.pid}, which is not known to be its PostgreSQL: it is left alone`,
    ]);
    await using again = await start();
    expect(again.pid).toBeGreaterThan(0);
    expect(impostor.exitCode ?? impostor.signalCode).toBeNull();
  },
);

test("a server of another folder is left alone", async () => {
  await using other = await temporaryFolder("left-over");
  await using server = await startPostgres({
    folder: join(other.path, "postgres"),
    port: await freePort(),
    password,
  });
  const own = await readFile(join(other.path, "postgres", "postmaster.pid"), "utf8");
  await writeFile(pidFile, own);
  const { notices } = await notesOf((listener) => stopLeftOver(folder, listener));
  expect(notices).toHaveLength(1);
  await using again = await start();
  expect(again.pid).not.toBe(server.pid);
  process.kill(server.pid, 0);
});

test("a server whose start time is not the one in the file is left alone", async () => {
  await using server = await start();
  const own = await readFile(pidFile, "utf8");
  const earlier = Math.trunc(Date.now() / 1_000) - 3_600;
  await writeFile(pidFile, own.replace(/(?<=^\d+\n.*\n)\d+/, String(earlier)));
  const { notices, progress } = await notesOf((listener) => stopLeftOver(folder, listener));
  expect({ notices: notices.length, progress }).toEqual({ notices: 1, progress: [] });
  process.kill(server.pid, 0);
  // Otherwise the server ends by itself, as the file is not its own.
  await writeFile(pidFile, own);
});

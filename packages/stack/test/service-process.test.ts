import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@tercet/cli";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import {
  isReady,
  type ServiceProcess,
  type ServiceProcessOptions,
  startServiceProcess,
} from "../src/service-process.ts";

const main = join(import.meta.dirname, "fixture-service.mjs");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tercet-process-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("it resolves once the service is ready, with the given environment and no other", async () => {
  const service = await start({ env: { LOG_LEVEL: "warn" } });
  const env = (await (await fetch(service.url)).json()) as Record<string, string>;
  expect(env).toMatchObject({ LOG_LEVEL: "warn", HOST: "127.0.0.1", NODE_ENV: "production" });
  expect(
    Object.keys(env).filter((name) => name === "PATH" || name === "HOME" || name === "VITEST"),
  ).toEqual([]);
});

test("its output goes to the log file and to the listener", async () => {
  const lines: string[] = [];
  const logFile = join(folder, "fixture.log");
  const service = await start({ logFile, onLine: (line) => lines.push(line) });
  await service.stop();
  expect(lines).toEqual(['{"level":"info","msg":"listening"}']);
  await expect.poll(() => readFile(logFile, "utf8")).toBe(`${lines[0]}\n`);
});

test("a crash at boot is an error with the last lines of stderr", async () => {
  await expect(start({ env: { BEHAVIOUR: "crash" } })).rejects.toThrow(
    "fixture did not start (exit code 3):\nthe last words",
  );
});

test("a service that does not become ready is killed", async () => {
  const port = await freePort();
  await expect(
    start({
      port,
      env: { BEHAVIOUR: "never-ready" },
      startTimeoutMs: 1_500 * inject("timeFactor"),
    }),
  ).rejects.toThrow(/^fixture did not start \(not ready in [\d.]+ s: database down\)/);
  await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow();
});

test("a start can be aborted", async () => {
  const controller = new AbortController();
  const starting = start({
    env: { BEHAVIOUR: "never-ready" },
    signal: controller.signal,
    onLine: () => controller.abort(new Error("enough")),
  });
  await expect(starting).rejects.toThrow("enough");
});

test("stop drains it, and kills it if it does not end in time", async () => {
  expect(await (await start()).stop()).toBe("exit code 0");
  expect(await (await start({ env: { BEHAVIOUR: "stubborn" } })).stop(100)).toBe("SIGKILL");
});

test("exited resolves for every kind of end", async () => {
  const service = await start();
  service.kill();
  expect(await service.exited).toBe("SIGKILL");
});

test("it drains and ends when the process that started it is killed", async () => {
  const port = await freePort();
  const mark = join(folder, "mark");
  const parent = spawn(
    process.execPath,
    [join(import.meta.dirname, "fixture-parent.ts"), main, String(port), mark],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await firstOutput(parent);
  expect(await isReady(`http://127.0.0.1:${port}`)).toBe(true);
  parent.kill("SIGKILL");
  await expect
    .poll(() => readFile(mark, "utf8").catch(() => ""), { timeout: 10_000 })
    .toBe("drained");
  await expect.poll(() => isReady(`http://127.0.0.1:${port}`)).toBe(false);
});

async function start(options: Partial<ServiceProcessOptions> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess({
    name: "fixture",
    main,
    port: await freePort(),
    env: {},
    ...options,
  });
  onTestFinished(async () => void (await service.stop()));
  return service;
}

async function firstOutput({ stdout }: ChildProcess): Promise<void> {
  if (stdout !== null) await once(stdout, "data");
}

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeEach, expect, inject, onTestFinished, test, vi } from "vitest";
import { createLogger, flushLog, type Logger } from "./log.ts";
import { startTestLoki, type TestLoki } from "./loki.testing.ts";

let loki: TestLoki;
let written: string[];
beforeEach(async () => {
  loki = await startTestLoki();
  written = [];
});
afterEach(() => loki[Symbol.asyncDispose]());

function logTo(lokiUrl: string): Logger {
  // A log whose Loki is away goes on while the next test runs.
  const own = written;
  return createLogger(
    { name: "shop", level: "debug", environment: "staging", lokiUrl },
    { write: (line) => void own.push(line) },
  );
}
const taken = () => loki.entries.map(({ line }) => line);
const lines = () => written.map((line) => line.trimEnd());
const messages = (all: readonly string[]): string[] => all.map((line) => JSON.parse(line).msg);

test("Loki gets the lines unchanged, in order, with their own time and the labels service, environment and level", async () => {
  const log = logTo(loki.url);
  log.info({ order_id: "o-1" }, "placed");
  log.warn("late");
  await vi.waitFor(() => expect(taken()).toEqual(lines()), 5_000);
  expect(lines()).toHaveLength(2);
  expect(loki.entries.map(({ labels }) => labels)).toEqual([
    { service: "shop", environment: "staging", level: "info" },
    { service: "shop", environment: "staging", level: "warn" },
  ]);
  const [first] = loki.entries;
  expect(first?.time).toBe(`${Date.parse(JSON.parse(first?.line ?? "").time)}000000`);
  // One batch, not one call for each.
  expect(loki.pushes).toHaveLength(1);
});

test("after a flush Loki has all lines, however many", async () => {
  const log = logTo(loki.url);
  for (let n = 0; n < 3_000; n++) log.info({ n }, "busy");
  log.info("stopped");
  await flushLog(log);
  expect(taken()).toEqual(lines());
  expect(taken()).toHaveLength(3_001);
});

test("a Loki that is suspended does not hold a flush", async () => {
  const suspended = createServer(() => {});
  await once(suspended.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void suspended.close());
  const log = logTo(`http://127.0.0.1:${(suspended.address() as AddressInfo).port}`);
  log.info("hello");
  const began = performance.now();
  await flushLog(log);
  // The limit for one that is there is 2 s.
  expect(performance.now() - began).toBeLessThan(1_900);
});

test("credentials of the address are sent as basic authentication, and are in no line", async () => {
  const log = logTo(loki.url.replace("//", "//shop:pass%20word@"));
  log.info("hello");
  await flushLog(log);
  expect(loki.pushes[0]?.authorization).toBe(
    `Basic ${Buffer.from("shop:pass word").toString("base64")}`,
  );
  loki.behaviour = "broken";
  log.info("and again");
  await flushLog(log);
  expect(written.join()).toMatch(/Loki does not accept the log/);
  expect(written.join()).not.toMatch(/pass( |%20)word|c2hvc/);
});

test("lines that Loki refused while broken arrive once after it recovers; both changes are logged", async () => {
  loki.behaviour = "broken";
  const log = logTo(loki.url);
  log.info("one");
  await vi.waitFor(
    () =>
      expect(messages(written)).toContain(
        "Loki does not accept the log; lines are kept while there is room",
      ),
    5_000,
  );
  loki.behaviour = "well";
  await vi.waitFor(() => expect(messages(taken())).toContain("one"), 5_000);
  await flushLog(log);
  expect(taken()).toEqual(lines());
  expect(messages(written)).toEqual([
    "one",
    expect.stringMatching(/does not accept/),
    "Loki accepts the log again",
  ]);
});

test("while Loki is away the newest ten thousand lines are kept, and no more", async () => {
  const { url } = loki;
  await loki[Symbol.asyncDispose]();
  const log = logTo(url);
  for (let n = 0; n < 25_000; n++) log.info({ n }, "busy");
  await flushLog(log);
  loki = await startTestLoki("well", Number(new URL(url).port));
  await vi.waitFor(() => expect(taken().at(-1)).toBe(lines().at(-1)), 10_000);
  expect(taken().length).toBeLessThanOrEqual(10_001);
  expect(taken().length).toBeGreaterThan(9_000);
  const [kept, newest] = [taken(), lines().slice(-taken().length)];
  // Not by toEqual, which would print them all.
  expect(kept.filter((line, index) => line !== newest[index]).slice(0, 3)).toEqual([]);
});

test.each(["silent", "broken"] as const)(
  "a flush ends in time when Loki is %s, and logging does not wait",
  async (behaviour) => {
    loki.behaviour = behaviour;
    const log = logTo(loki.url);
    const began = performance.now();
    for (let n = 0; n < 1_000; n++) log.info({ n }, "busy");
    // Without Loki it is about 20 us a line; a wait for a response would be seconds.
    expect(performance.now() - began).toBeLessThan(1_000 * inject("timeFactor"));
    await flushLog(log);
    expect(performance.now() - began).toBeLessThan(4_000 * inject("timeFactor"));
    expect(written).not.toEqual([]);
  },
);

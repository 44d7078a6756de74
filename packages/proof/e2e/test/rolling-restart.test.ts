import { runRolling } from "@tercet/chaos";
import { expect, test } from "vitest";
import { patient } from "./patience.ts";
import { testFolder } from "./stack.ts";

/** The short form of `pnpm chaos rolling`. */
const STREAMS = ["Order, HTTP/1.1", "Order, gRPC", "Payment, HTTP/1.1", "Payment, gRPC"];

test("replicas of Order and Payment are replaced one by one: no call fails, over HTTP/1.1 or gRPC", {
  timeout: patient(400_000),
}, async () => {
  await using folder = await testFolder();
  const result = await runRolling({
    dataDir: folder.path,
    rounds: 1,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  expect(result.breaches).toEqual([]);
  expect(result.replaced).toBe(4);
  expect(result.streams.map(({ name, log }) => [name, log.breaches])).toEqual(
    STREAMS.map((name) => [name, []]),
  );
  for (const { log } of result.streams) expect(log.tookMs.length).toBeGreaterThan(50);
});

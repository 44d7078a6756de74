import { serviceNames, temporaryFolder } from "@tercet/cli";
import { expect, test } from "vitest";
import { benchMemory } from "../src/bench/memory.ts";

/** What a leak of 100 kB an order would take in the counted part of the run is several times it. */
const MOST_GROWTH = 1.25;

test("the short form of pnpm bench memory: what services hold does not grow", {
  timeout: 120_000,
}, async () => {
  await using folder = await temporaryFolder("memory");
  const results = await benchMemory({
    minutes: 0.5,
    rate: 10,
    dataDir: folder.path,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  for (const name of serviceNames) {
    const heap = results[name]?.["last quarter"]?.["heap after a collection, MB"];
    expect(heap?.value, name).toBeGreaterThan(10);
    expect(heap?.ratio, name).toBeLessThan(MOST_GROWTH);
  }
});

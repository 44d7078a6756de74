import { temporaryFolder } from "@tercet/cli";
import { ANY_PORT, envToConfig, startStack } from "@tercet/stack";
import { expect, test } from "vitest";
import { measureOverload } from "../src/overload/overload.ts";

/** The short form of `pnpm overload`, whose figures need a machine that does nothing else. */
test("a system is offered multiples of what saturates it", async () => {
  await using folder = await temporaryFolder("overload");
  const rates = { CALLER_CALLS_PER_SECOND: "0", ADDRESS_CALLS_PER_SECOND: "0" };
  const config = envToConfig({ ...ANY_PORT, ...rates, DATA_DIR: folder.path, LOG_LEVEL: "warn" });
  await using stack = await startStack(config);
  const { steps, outage } = await measureOverload(stack, {
    seconds: 2,
    factors: [1, 4],
    outageSeconds: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  expect(steps.map(({ name }) => name)).toEqual(["unloaded", "1x", "4x"]);
  for (const { goodputPerSecond, probes, probesLost } of steps) {
    expect(goodputPerSecond).toBeGreaterThan(0);
    expect(probes).toBeGreaterThan(0);
    expect(probesLost).toBe(0);
  }
  expect(outage).toBeUndefined();
});

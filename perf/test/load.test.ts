import { onPath, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { ANY_PORT, envToConfig, MANY_CALLS, type Stack, startStack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LoadOptions, type LoadResult, runLoad } from "../src/load/load.ts";
import { targetOf } from "../src/load/target.ts";

const k6 = await onPath("k6");
if (k6 === undefined)
  process.stderr.write("WITHOUT K6: the load scenarios are not run (pnpm tools k6)\n");

/**
 * Shorter than the run, by more than the 5 s that clocks may differ: a client that does not renew
 * its token is refused before the end.
 */
const TOKEN_SECONDS = "10";

const testFolder = (): Promise<TemporaryFolder> => temporaryFolder("load");

/** The whole system at free ports. */
const startTestStack = ({ path }: TemporaryFolder, env: Env = {}): Promise<Stack> =>
  startStack(envToConfig({ ...ANY_PORT, ...MANY_CALLS, DATA_DIR: path, ...env }));

function startWithShortTokens({ path }: TemporaryFolder): Promise<Stack> {
  const config = envToConfig({ ...ANY_PORT, ...MANY_CALLS, DATA_DIR: path });
  const identity = { ...config.serviceEnv.identity, ACCESS_TOKEN_SECONDS: TOKEN_SECONDS };
  return startStack({ ...config, serviceEnv: { ...config.serviceEnv, identity } });
}

const seconds = (count: number) => count / 60;

/**
 * The short forms of `pnpm load`. Latencies are judged by the command, on a machine that does
 * nothing else.
 */
async function load(
  stack: Stack,
  options: Pick<LoadOptions, "scenario" | "minutes" | "onProgress">,
  env = {},
): Promise<LoadResult> {
  const signal = new AbortController().signal;
  return await runLoad({
    target: await targetOf(stack),
    judgeLatency: false,
    env: { ...process.env, ...env },
    signal,
    ...options,
  });
}

const crossed = ({ thresholds }: LoadResult): string[] =>
  thresholds.filter(({ passed }) => !passed).map(({ metric }) => metric);
/** With what went wrong in the message. */
function expectPassed(result: LoadResult): void {
  expect(crossed(result), JSON.stringify(result.complaints)).toEqual([]);
  expect(result.passed).toBe(true);
}

const endings = ({ metrics }: LoadResult, kind: string): number =>
  metrics[`expected_endings{kind:${kind}}`]?.["count"] ?? 0;

describe.skipIf(k6 === undefined)("k6", () => {
  let running: AsyncDisposableStack;
  let stack: Stack;

  beforeAll(async () => {
    await using starting = new AsyncDisposableStack();
    stack = starting.use(await startTestStack(starting.use(await testFolder())));
    running = starting.move();
  });
  afterAll(() => running?.disposeAsync());

  test("smoke: one customer's orders end as they have to, tokens are renewed", {
    timeout: 90_000,
  }, async () => {
    await using folder = await testFolder();
    await using forgetful = await startWithShortTokens(folder);
    const result = await load(forgetful, { scenario: "smoke", minutes: seconds(20) });
    expectPassed(result);
    expect(endings(result, "confirmed")).toBeGreaterThan(1);
  });

  test("spike: 5, 100 and 5 customers", { timeout: 120_000 }, async () => {
    const result = await load(stack, { scenario: "spike", minutes: seconds(10) });
    expectPassed(result);
    expect(Math.max(...result.timeline.users.map((users = 0) => users))).toBeGreaterThan(50);
  });

  test("grpc: four charges to a refund", { timeout: 90_000 }, async () => {
    const result = await load(stack, { scenario: "grpc", minutes: seconds(12) });
    expectPassed(result);
    const refunds = endings(result, "refund");
    expect(
      refunds / (endings(result, "charge") + endings(result, "decline") + refunds),
    ).toBeCloseTo(0.2, 1);
  });

  test("an order that is answered PENDING is followed to its end", {
    timeout: 120_000,
  }, async () => {
    await stack.services.payment.stop();
    let back: Promise<void> | undefined;
    // By then the first CreateOrder has reached its deadline of 10 s.
    const onProgress: LoadOptions["onProgress"] = ({ elapsedMs }) => {
      if (elapsedMs > 11_000) back ??= stack.services.payment.start();
    };
    const result = await load(
      stack,
      { scenario: "load", minutes: seconds(6), onProgress },
      { PATIENCE_SECONDS: "50" },
    );
    await back;
    // On a machine that is too busy to answer PENDING in time the outcome is unknown to the caller,
    // which is another matter.
    expect(
      Object.keys(result.complaints).filter(
        (complaint) => !complaint.includes("deadline_exceeded"),
      ),
    ).toEqual([]);
    expect(endings(result, "confirmed")).toBeGreaterThan(0);
    expect(result.metrics["order_creation_duration"]?.["max"]).toBeGreaterThan(10_000);
  });

  describe("a run fails its thresholds", () => {
    test("when orders never end", { timeout: 120_000 }, async () => {
      await stack.services.payment.stop();
      const result = await load(
        stack,
        { scenario: "smoke", minutes: seconds(3) },
        { PATIENCE_SECONDS: "11" },
      );
      expect(result.passed).toBe(false);
      expect(crossed(result)).toContain("payment_processing_success");
      expect(Object.keys(result.complaints)).toContain(
        "confirmed: expected CONFIRMED, got ORDER_STATUS_PENDING after 11 s",
      );
    });

    test("when every card is declined, although every call is answered", {
      timeout: 120_000,
    }, async () => {
      await using folder = await testFolder();
      await using declining = await startTestStack(folder, { PROVIDER_LIMIT_MINOR_UNITS: "1" });
      const orders = await load(declining, { scenario: "smoke", minutes: seconds(8) });
      expect(orders.passed).toBe(false);
      expect(crossed(orders).sort()).toEqual([
        "checks",
        "compensation_calls",
        "expected_endings{kind:confirmed}",
        "expected_endings{kind:soldOut}",
        "payment_processing_success",
      ]);
      // What a test that looks at the status of the answers sees.
      expect(orders.metrics["http_req_failed{scenario:orders}"]).toMatchObject({ value: 0 });
      expect(orders.complaints).toHaveProperty(
        "confirmed: expected CONFIRMED, got REJECTED PAYMENT_DECLINED",
      );

      const payments = await load(declining, { scenario: "grpc", minutes: seconds(5) });
      expect(payments.passed).toBe(false);
      expect(crossed(payments)).toContain("payment_processing_success");
      expect(payments.metrics["grpc_req_failed"]).toMatchObject({ value: 0 });
    });
  });
});

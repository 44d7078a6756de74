/** Instead of a scenario's own length, which its stages are stretched or shrunk to. */
const MINUTES = Number(__ENV.MINUTES || 0);
/**
 * On a machine that is busy with other things latencies say nothing: there only what is right or
 * wrong is judged.
 */
const JUDGES_LATENCY = __ENV.LATENCY !== "reported";

/**
 * @typedef {[minutes: number, users: number]} Stage how long it takes to reach that number of users
 */

/**
 * A number of customers who each place one order after another. Slow responses slow them down: see
 * docs/performance.md. @param {{ from?: number, stages: Stage[] }} profile
 * @returns {import("k6/options").Options}
 */
export function ordersBy({ from = 0, stages }) {
  const stretch = stretchTo(stages.reduce((sum, [minutes]) => sum + minutes, 0));
  return {
    ...common,
    scenarios: {
      orders: {
        executor: "ramping-vus",
        startVUs: from,
        stages: stages.map(([minutes, target]) => ({ duration: stretch(minutes), target })),
        gracefulRampDown: "60s",
        gracefulStop: "60s",
      },
    },
    thresholds: {
      ...(JUDGES_LATENCY && {
        order_creation_duration: LATENCY,
        "http_req_duration{scenario:orders}": LATENCY,
      }),
      "http_req_failed{scenario:orders}": ["rate<0.05"],
      payment_processing_success: ["rate>0.95"],
      checks: ["rate>0.95"],
      "expected_endings{kind:confirmed}": SOME,
      "expected_endings{kind:declined}": SOME,
      "expected_endings{kind:soldOut}": SOME,
      compensation_calls: SOME,
    },
  };
}

/**
 * A constant rate of calls, independent of their duration.
 * @param {{ minutes: number, perSecond: number }} profile
 * @returns {import("k6/options").Options}
 */
export function paymentsAt({ minutes, perSecond }) {
  return {
    ...common,
    scenarios: {
      payments: {
        executor: "constant-arrival-rate",
        rate: perSecond,
        timeUnit: "1s",
        duration: stretchTo(minutes)(minutes),
        preAllocatedVUs: perSecond,
        maxVUs: 10 * perSecond,
        gracefulStop: "60s",
      },
    },
    thresholds: {
      // What was dropped because the rate could not be kept is missing from every other figure.
      ...(JUDGES_LATENCY && {
        grpc_req_duration: LATENCY,
        dropped_iterations: [`rate<${perSecond / 100}`],
      }),
      grpc_req_failed: ["rate<0.05"],
      payment_processing_success: ["rate>0.95"],
      checks: ["rate>0.95"],
      "expected_endings{kind:charge}": SOME,
      "expected_endings{kind:decline}": SOME,
      "expected_endings{kind:refund}": SOME,
      compensation_calls: SOME,
    },
  };
}

const LATENCY = ["p(95)<500", "p(99)<1000"];
const SOME = ["count>0"];

const common = {
  setupTimeout: "180s",
  summaryTrendStats: ["count", "avg", "med", "p(95)", "p(99)", "max"],
};

/** @param {number} total */
const stretchTo =
  (total) =>
  /** @param {number} minutes */
  (minutes) =>
    `${Math.round(minutes * 60_000 * (MINUTES > 0 ? MINUTES / total : 1))}ms`;

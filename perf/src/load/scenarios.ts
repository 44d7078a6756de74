/** A k6 script of perf/. */
interface Scenario {
  readonly minutes: number;
  readonly what: string;
  /** What it counts, and the metric of its latency. */
  readonly unit: "order" | "call";
  readonly duration: "order_creation_duration" | "grpc_req_duration";
}

const orders = { unit: "order", duration: "order_creation_duration" } as const;

export const scenarios = {
  smoke: { ...orders, minutes: 0.5, what: "one customer: whether it works at all" },
  load: { ...orders, minutes: 16, what: "a normal day: up to 20 customers" },
  stress: { ...orders, minutes: 19, what: "finds the limit: step by step to 100 customers" },
  spike: { ...orders, minutes: 5, what: "5 customers, suddenly 100, and 5 again" },
  grpc: {
    unit: "call",
    duration: "grpc_req_duration",
    minutes: 5,
    what: "10 calls a second to Payment by gRPC: 80% charges, 20% refunds",
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const isScenario = (name: string | undefined): name is ScenarioName =>
  name !== undefined && Object.hasOwn(scenarios, name);

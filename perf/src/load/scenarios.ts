/** A script of perf/. */
export interface Scenario {
  /** Its own length. */
  readonly minutes: number;
  readonly what: string;
  /** What it counts, and the metric of how long one takes. */
  readonly unit: "order" | "call";
  readonly duration: "order_creation_duration" | "grpc_req_duration";
}

const orders = { unit: "order", duration: "order_creation_duration" } as const;

export const scenarios = {
  smoke: { ...orders, minutes: 0.5, what: "one customer: does it work at all" },
  load: { ...orders, minutes: 16, what: "a day as it should be: up to 20 customers" },
  stress: {
    ...orders,
    minutes: 19,
    what: "where it begins to hurt: step by step to 100 customers",
  },
  spike: { ...orders, minutes: 5, what: "5 customers, at once 100, and 5 again" },
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

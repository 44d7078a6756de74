import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/** What the process does when it comes to a failpoint. */
type Action =
  /** It ends at once, by SIGKILL. */
  | { readonly kind: "kill" }
  | { readonly kind: "throw" }
  /** The call never ends. */
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number };

/** An armed failpoint. */
interface Failpoint {
  /** "before:order.confirmOrders" */
  readonly name: string;
  readonly action: Action;
  /** It acts once, when it is passed for the n-th time; from 1. */
  readonly hit: number;
}

export type Failpoints = readonly Failpoint[];

/** What an armed failpoint throws. */
export class FailpointError extends Error {
  override readonly name = "FailpointError";
}

/** The failpoints around these methods, by area: one before and one after each call. */
export function failpointNames(
  methods: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const calls = Object.entries(methods).flatMap(([area, names]) =>
    names.map((name) => `${area}.${name}`),
  );
  return calls.flatMap((call) => [`before:${call}`, `after:${call}`]);
}

/**
 * The variables that arm failpoints, for tests of crashes. FAILPOINTS is a list like
 * `before:order.confirmOrders=kill;after:provider.charge=delay(500)@2`: a name, an action (`kill`,
 * `throw`, `hang`, `delay(milliseconds)`) and, after `@`, at which hit it acts instead of the
 * first. Spread it into the service's shape, and refine that by `failpointsOnlyInTests`.
 */
export const failpointEnv = (names: readonly string[]) => ({
  NODE_ENV: z.string().optional(),
  FAILPOINTS: z
    .string()
    .transform((text, context) => {
      const parts = text.split(";").map((part) => part.trim());
      return parts.filter(Boolean).map((part) => {
        const parsed = parseFailpoint(part, names);
        if (typeof parsed !== "string") return parsed;
        context.addIssue(parsed);
        return z.NEVER;
      });
    })
    .default([]),
});

/** Arguments for `refine`: a service that serves anybody must not be armed by a stray variable. */
export const failpointsOnlyInTests = [
  ({
    NODE_ENV,
    FAILPOINTS,
  }: {
    readonly NODE_ENV?: string | undefined;
    readonly FAILPOINTS: Failpoints;
  }) => FAILPOINTS.length === 0 || NODE_ENV === "test",
  { path: ["FAILPOINTS"], message: "needs NODE_ENV=test" },
] as const satisfies readonly [unknown, { path: PropertyKey[]; message: string }];

/** The failpoint, or what is wrong with it. */
function parseFailpoint(text: string, names: readonly string[]): Failpoint | string {
  const groups =
    /^(?<name>[^=]+)=(?<kind>kill|throw|hang|delay\((?<ms>\d{1,7})\))(@(?<hit>[1-9]\d{0,5}))?$/.exec(
      text,
    )?.groups;
  const { name = "", kind = "", ms, hit = "1" } = groups ?? {};
  if (groups === undefined)
    return `"${text}" is not NAME=kill, =throw, =hang or =delay(MILLISECONDS), each with or without @HIT`;
  if (!names.includes(name))
    return `there is no failpoint "${name}"; there are ${names.join(", ")}`;
  const action =
    ms === undefined
      ? { kind: kind as "kill" | "throw" | "hang" }
      : { kind: "delay" as const, ms: Number(ms) };
  return { name, action, hit: Number(hit) };
}

/**
 * The target itself when nothing in its area is armed; else one whose armed methods pass their
 * failpoints. Those methods must be asynchronous.
 */
export function withFailpoints<T extends object>(armed: Failpoints, area: string, target: T): T {
  const here = armed.filter(({ name }) => name.split(/[:.]/)[1] === area);
  if (here.length === 0) return target;
  const surrounded = new Map<PropertyKey, unknown>();
  for (const method of new Set(here.map(({ name }) => name.split(".")[1] ?? ""))) {
    const [before, after] = [
      passing(here, `before:${area}.${method}`),
      passing(here, `after:${area}.${method}`),
    ];
    surrounded.set(method, async (...args: unknown[]) => {
      await before();
      const result = await (Reflect.get(target, method) as (...args: unknown[]) => unknown).apply(
        target,
        args,
      );
      await after();
      return result;
    });
  }
  return new Proxy(target, {
    get: (_, name) => {
      const value = surrounded.get(name) ?? (Reflect.get(target, name) as unknown);
      // Classes with private fields know their methods on the target only.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function passing(points: Failpoints, name: string): () => Promise<void> {
  const armed = points.filter((point) => point.name === name);
  let hits = 0;
  return async () => {
    hits++;
    for (const { action, hit } of armed) if (hit === hits) await act(action, name);
  };
}

async function act(action: Action, name: string): Promise<void> {
  if (action.kind === "throw") throw new FailpointError(name);
  if (action.kind === "delay") return sleep(action.ms);
  if (action.kind === "kill") process.kill(process.pid, "SIGKILL");
  await new Promise(() => {});
}

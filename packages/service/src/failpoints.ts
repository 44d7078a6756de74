import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

type Action =
  /** Ends the process by SIGKILL. */
  | { readonly kind: "kill" }
  | { readonly kind: "throw" }
  /** Never returns. */
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number };

export interface Failpoint {
  readonly when: "before" | "after";
  readonly area: string;
  readonly method: string;
  readonly action: Action;
  /** The action runs once, on the n-th pass; counted from 1. */
  readonly hit: number;
}

export type Failpoints = readonly Failpoint[];

/** Thrown by a failpoint with the action "throw". */
export class FailpointError extends Error {
  override readonly name = "FailpointError";
}

/** Returns the names of the failpoints of these methods, by area: one before, one after each. */
export function failpointNames(
  methods: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const calls = Object.entries(methods).flatMap(([area, names]) =>
    names.map((name) => `${area}.${name}`),
  );
  return calls.flatMap((call) => [`before:${call}`, `after:${call}`]);
}

/**
 * The variables that arm failpoints, for crash tests. FAILPOINTS is a list like
 * `before:order.confirmOrders=kill;after:provider.charge=delay(500)@2`: a name, an action (`kill`,
 * `throw`, `hang`, `delay(MILLISECONDS)`), and after `@` the pass on which it runs, by default the
 * first. Spread it into the service's schema, and wrap that in `failpointsOnlyInTests`.
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

type FailpointEnv = z.output<z.ZodObject<ReturnType<typeof failpointEnv>>>;

/** Returns the schema with the rule that failpoints need NODE_ENV=test. */
export const failpointsOnlyInTests = <S extends z.ZodType<FailpointEnv>>(schema: S) =>
  schema.refine(({ NODE_ENV, FAILPOINTS }) => FAILPOINTS.length === 0 || NODE_ENV === "test", {
    path: ["FAILPOINTS"],
    message: "needs NODE_ENV=test",
  });

const FAILPOINT =
  /^(?<name>(?<when>[^:=]+):(?<area>[^.=]+)\.(?<method>[^=]+))=(?<kind>kill|throw|hang|delay\((?<ms>\d{1,7})\))(@(?<hit>[1-9]\d{0,5}))?$/;

/** Returns the failpoint, or what is wrong with it. */
function parseFailpoint(text: string, names: readonly string[]): Failpoint | string {
  const groups = FAILPOINT.exec(text)?.groups;
  if (groups === undefined)
    return `"${text}" is not NAME=kill, =throw, =hang or =delay(MILLISECONDS), each with or without @HIT`;
  const { name = "", when, area = "", method = "", kind, ms, hit = "1" } = groups;
  if (!names.includes(name))
    return `there is no failpoint "${name}"; there are ${names.join(", ")}`;
  const action = ms === undefined ? { kind } : { kind: "delay", ms: Number(ms) };
  return { when, area, method, action, hit: Number(hit) } as Failpoint;
}

/**
 * Returns the target with failpoints around the armed methods of its area; the target itself if
 * none is armed. Armed methods must be asynchronous.
 */
export function withFailpoints<T extends object>(armed: Failpoints, area: string, target: T): T {
  const here = armed.filter((point) => point.area === area);
  if (here.length === 0) return target;
  const wrapped = new Map<PropertyKey, unknown>();
  for (const [method, points] of Map.groupBy(here, (point) => point.method)) {
    const [before, after] = [passing(points, "before"), passing(points, "after")];
    wrapped.set(method, async (...args: unknown[]) => {
      await before();
      const call = Reflect.get(target, method) as (...args: unknown[]) => unknown;
      const result = await call.apply(target, args);
      await after();
      return result;
    });
  }
  return new Proxy(target, {
    get: (_, name) => {
      const value = wrapped.get(name) ?? (Reflect.get(target, name) as unknown);
      // Methods of a class with private fields work on the target only.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function passing(points: Failpoints, when: Failpoint["when"]): () => Promise<void> {
  const armed = points.filter((point) => point.when === when);
  let hits = 0;
  return async () => {
    hits++;
    for (const point of armed) if (point.hit === hits) await act(point);
  };
}

async function act({ action, when, area, method }: Failpoint): Promise<void> {
  if (action.kind === "throw") throw new FailpointError(`${when}:${area}.${method}`);
  if (action.kind === "delay") return sleep(action.ms);
  if (action.kind === "kill") process.kill(process.pid, "SIGKILL");
  await new Promise(() => {});
}

import { findViolations, type SagaRow, type Snapshot, unfinished } from "@tercet/audit";
import { type Distribution, distribution } from "@tercet/cli";
import type { Sql } from "@tercet/service";
import type { Loss } from "./order-fleet.ts";
import { isTakeOver, staleWrites } from "./timelines.ts";

export interface TakeoverResult {
  readonly seed: number;
  readonly kills: number;
  readonly freezes: number;
  /** Of sagas whose owner was killed or frozen, and of those whose owner only seemed gone. */
  readonly takeovers: number;
  /** Milliseconds from the moment the owner was killed or frozen. */
  readonly delaysMs: Distribution;
  /** Writes of workers whose saga had been taken from them: refused. */
  readonly fencedWrites: number;
  readonly ordersByStatus: Readonly<Record<string, number>>;
  /** How many sagas each replica finished, those included that did not live long. */
  readonly finishedByReplica: Distribution;
  /** Of invariants, each with its name; none when all is well. */
  readonly violations: readonly string[];
}

/** What is left of a run, and what happened in it. */
export interface Findings {
  readonly snapshot: Snapshot;
  readonly losses: readonly Loss[];
  /** The names of all that ever were. */
  readonly workers: readonly string[];
}

/** `further` are violations that others found. */
export function assess(
  { snapshot, losses, workers }: Findings,
  acknowledged: ReadonlyMap<string, string>,
  further: readonly string[],
): Omit<TakeoverResult, "seed" | "fencedWrites"> {
  const { sagas } = snapshot;
  const finished = Map.groupBy(sagas, ({ events }) => events.at(-1)?.worker);
  const byStatus = Map.groupBy(snapshot.orders, ({ status }) => status);
  return {
    kills: losses.filter(({ how }) => how === "killed").length,
    freezes: losses.filter(({ how }) => how === "frozen").length,
    takeovers: sagas.flatMap(({ events }) => events.filter(isTakeOver)).length,
    delaysMs: distribution(delays(losses, sagas)),
    ordersByStatus: Object.fromEntries(
      [...byStatus].map(([status, some]) => [status, some.length]),
    ),
    finishedByReplica: distribution(workers.map((worker) => finished.get(worker)?.length ?? 0)),
    violations: [
      ...unfinished(snapshot),
      ...findViolations(snapshot, acknowledged),
      ...sagas.flatMap(staleWrites),
      ...further,
    ],
  };
}

/**
 * A saga that its owner's last statement, on its way already, let go of or ended was not taken
 * over: the event that follows is another one.
 */
function delays(losses: readonly Loss[], sagas: readonly SagaRow[]): number[] {
  const events = new Map(sagas.map(({ id, events }) => [id, events]));
  return losses.flatMap(({ at, sagas: held }) =>
    held.flatMap(({ id, events: before }) => {
      const next = events.get(id)?.[before];
      return next !== undefined && isTakeOver(next) ? [Date.parse(next.time) - at] : [];
    }),
  );
}

/** All that was sold is missing, and nothing else. */
export async function wrongStock(sql: Sql, sku: string, initial: bigint): Promise<string[]> {
  const [row] = await sql<{ stock: bigint; sold: bigint }[]>`
    select stock, (select count(*) from orders where status = 'CONFIRMED') as sold from products where sku = ${sku}`;
  if (row === undefined || row.stock + row.sold !== initial)
    return [`stock: of ${initial}, ${row?.sold} are sold and ${row?.stock} are left`];
  return [];
}

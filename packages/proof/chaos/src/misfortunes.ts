import { setTimeout as sleep } from "node:timers/promises";
import { connectPostgres } from "@tercet/service";
import { type Chronicle, workerOf } from "./chronicle.ts";
import type { Fleet, Member } from "./fleet.ts";
import { between, pick, type Random } from "./random.ts";

export interface MisfortuneOptions {
  readonly fleet: Fleet;
  readonly chronicle: Chronicle;
  readonly random: Random;
  /** How long an orchestrator is frozen: longer than its lease. */
  readonly freezeMs: number;
  /** No new misfortune after it aborts; those under way come to their end. */
  readonly signal: AbortSignal;
}

/** Seconds between one misfortune and the next of its kind. */
const KILLS_S = [2, 5] as const;
const RESTARTS_S = [5, 10] as const;
const OTHERS_S = [6, 12] as const;
const DOWN_MS = [500, 2_000] as const;

/** Kills, restarts and breaks until the signal aborts; resolves when everything is up again. */
export async function runMisfortunes(options: MisfortuneOptions): Promise<void> {
  const { random } = options;
  await Promise.all([
    every(KILLS_S, options, () => killSomebody(options)),
    every(RESTARTS_S, options, () => restartDatabase(options)),
    every(OTHERS_S, options, () =>
      pick(
        [freezeAnOrchestrator, endSessions, resetNetwork, slowNetwork, cutNetwork],
        random,
      )(options),
    ),
  ]);
}

async function every(
  seconds: readonly [number, number],
  { random, signal }: MisfortuneOptions,
  misfortune: () => Promise<void>,
) {
  const underWay = new Set<Promise<void>>();
  while (!signal.aborted) {
    await sleep(between(...seconds, random) * 1_000, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const work = misfortune().finally(() => underWay.delete(work));
    underWay.add(work);
  }
  await Promise.all(underWay);
}

/**
 * Any process, but never the second one of a service while the first is down: then nobody could
 * take over.
 */
async function killSomebody({ fleet, chronicle, random }: MisfortuneOptions): Promise<void> {
  const candidates = fleet.members.filter(
    (member) => member.pid !== undefined && hasPartner(fleet, member),
  );
  if (candidates.length === 0) return;
  const victim = pick(candidates, random);
  using _ = chronicle.record(`${victim.service} killed`, workerOf(victim.pid ?? 0));
  await victim.kill();
  await victim.revive(NEVER);
}

const NEVER = new AbortController().signal;

const hasPartner = ({ members }: Fleet, { service }: Member): boolean =>
  members.filter((member) => member.service === service).every(({ pid }) => pid !== undefined);

/** As by a crash: what is committed is all that is left. */
async function restartDatabase({ fleet, chronicle, random }: MisfortuneOptions): Promise<void> {
  const { postgres } = fleet.stack;
  if (postgres?.pid === undefined) return;
  using _ = chronicle.record("PostgreSQL down");
  await postgres.kill("SIGQUIT");
  await sleep(between(...DOWN_MS, random));
  await postgres.start();
}

/** It wakes when others have its sagas. */
async function freezeAnOrchestrator({
  fleet,
  chronicle,
  random,
  freezeMs,
}: MisfortuneOptions): Promise<void> {
  const candidates = fleet.members.filter(
    (member) => member.service === "order" && member.pid !== undefined && hasPartner(fleet, member),
  );
  if (candidates.length === 0) return;
  const { pid = 0 } = pick(candidates, random);
  using _ = chronicle.record("order frozen", workerOf(pid));
  if (!send(pid, "SIGSTOP")) return;
  await sleep(freezeMs);
  send(pid, "SIGCONT");
}

/** It may have been killed meanwhile. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** A part of the sessions, several times, as an operator's mistake or a failover does. */
async function endSessions({ fleet, chronicle, random }: MisfortuneOptions): Promise<void> {
  using _ = chronicle.record("sessions ended");
  const sql = connectPostgres(fleet.stack.databaseUrls.order, {
    max: 1,
    applicationName: "tercet-chaos",
  });
  try {
    for (let round = 0; round < 20; round++) {
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where backend_type = 'client backend' and application_name not like 'tercet-%' and random() < ${between(0.25, 0.4, random)}`;
      await sleep(30);
    }
  } catch {
    // The database went away by another misfortune.
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function resetNetwork({ fleet, chronicle }: MisfortuneOptions): Promise<void> {
  using _ = chronicle.record("network reset");
  fleet.payment.reset();
}

async function slowNetwork({ fleet, chronicle, random }: MisfortuneOptions): Promise<void> {
  using _ = chronicle.record("network slow");
  fleet.payment.misbehave({ latencyMs: between(50, 400, random) });
  await sleep(between(1_000, 3_000, random));
  fleet.payment.misbehave();
}

async function cutNetwork({ fleet, chronicle, random }: MisfortuneOptions): Promise<void> {
  using _ = chronicle.record("black hole");
  fleet.payment.misbehave({ blackHole: true });
  await sleep(between(1_000, 3_000, random));
  fleet.payment.misbehave();
}

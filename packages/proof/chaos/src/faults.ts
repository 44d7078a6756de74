import { setTimeout as sleep } from "node:timers/promises";
import { connectPostgres } from "@tercet/service";
import type { ServiceName, Stack } from "@tercet/stack";
import type { FaultKind, FaultLog } from "./fault-log.ts";
import type { Fleet } from "./fleet.ts";
import type { MongoSet } from "./mongo-set.ts";
import { between, pick, type Random } from "./random.ts";
import type { NetworkFault, TcpProxy } from "./tcp-proxy.ts";

export interface FaultOptions {
  readonly stack: Stack;
  /** Of Order and Payment. */
  readonly fleet: Fleet;
  /** Between Order and Payment. */
  readonly network: TcpProxy;
  /** If payments are in it. */
  readonly mongo: MongoSet | undefined;
  readonly log: FaultLog;
  readonly random: Random;
  /** How long an orchestrator is frozen: longer than its lease. */
  readonly freezeMs: number;
  /** Starts no more faults when it aborts; those in progress end. */
  readonly signal: AbortSignal;
}

/** Seconds between two faults of one group. */
const KILLS_S = [2, 5] as const;
const RESTARTS_S = [5, 10] as const;
const OTHERS_S = [6, 12] as const;
const MEMBERS_S = [1, 3] as const;
/** More than an election of `MongoSet` takes. */
const MEMBER_FROZEN_MS = 4_000;
const DOWN_MS = [500, 2_000] as const;
const NETWORK_MS = [1_000, 3_000] as const;
const RETRY_START_MS = 200;
/** In proportion to the number of processes. */
const KILLED: readonly ServiceName[] = ["identity", "order", "order", "payment", "payment"];

/** Injects faults until the signal aborts. Resolves when everything runs again. */
export async function injectFaults(options: FaultOptions): Promise<void> {
  const others = [freezeOrder, endSessions, resetNetwork, slowNetwork, cutNetwork];
  await Promise.all([
    every(KILLS_S, options, killProcess),
    every(RESTARTS_S, options, restartDatabase),
    every(OTHERS_S, options, (all) => pick(others, all.random)(all)),
    ...(options.mongo === undefined ? [] : [disturbMembers(options, options.mongo)]),
  ]);
  await options.fleet.complete();
}

async function every(
  seconds: readonly [number, number],
  options: FaultOptions,
  inject: (options: FaultOptions) => Promise<void>,
): Promise<void> {
  const { random, signal } = options;
  const inProgress = new Set<Promise<void>>();
  while (!signal.aborted) {
    await sleep(between(...seconds, random) * 1_000, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const work = inject(options).finally(() => inProgress.delete(work));
    inProgress.add(work);
  }
  await Promise.all(inProgress);
}

async function killProcess({ stack, fleet, log, random }: FaultOptions): Promise<void> {
  const service = pick(KILLED, random);
  if (service !== "identity") return await fleet.kill(service);
  const { identity } = stack.services;
  if (identity.pid === undefined) return;
  using _ = log.record("identity killed");
  await identity.kill();
  for (;;)
    try {
      return await identity.start();
    } catch {
      // Its database is down.
      await sleep(RETRY_START_MS);
    }
}

/** As by a crash: only what is committed remains. */
async function restartDatabase({ stack, log, random }: FaultOptions): Promise<void> {
  const { postgres } = stack;
  if (postgres?.pid === undefined) return;
  using _ = log.record("PostgreSQL down");
  await postgres.kill("SIGQUIT");
  await sleep(between(...DOWN_MS, random));
  await postgres.start();
}

/** One member at a time, as a majority of them must be left. */
async function disturbMembers(options: FaultOptions, mongo: MongoSet): Promise<void> {
  const { random, log, signal } = options;
  const faults = [killMember, killMember, freezePrimary, stepDown];
  for (;;) {
    await sleep(between(...MEMBERS_S, random) * 1_000, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await pick(faults, random)(mongo, log, random);
    await mongo.whole();
  }
}

type MemberFault = (mongo: MongoSet, log: FaultLog, random: Random) => Promise<void>;

/** More often the primary than not: the others are missed by no one. */
const killMember: MemberFault = async (mongo, log, random) => {
  const member = random() < 0.5 ? pick(mongo.members, random) : await mongo.primary();
  using _ = log.record("MongoDB killed");
  await member.kill();
  await sleep(between(...DOWN_MS, random));
  member.start();
  await mongo.primary();
};

/** For longer than an election takes: when it goes on it is no primary any more. */
const freezePrimary: MemberFault = async (mongo, log) => {
  const member = await mongo.primary();
  using _ = log.record("MongoDB frozen");
  member.freeze();
  await sleep(MEMBER_FROZEN_MS);
  member.resume();
  await mongo.primary();
};

const stepDown: MemberFault = async (mongo, log) => {
  const member = await mongo.primary();
  using _ = log.record("MongoDB stepped down");
  // It is refused while no other member is up to date.
  await member.run({ replSetStepDown: 5, secondaryCatchUpPeriodSecs: 2 }).catch(() => {});
  await mongo.primary();
};

const freezeOrder = ({ fleet, freezeMs }: FaultOptions): Promise<void> => fleet.freeze(freezeMs);

/** A part of the sessions, several times, as by an operator's mistake or a failover. */
async function endSessions({ stack, log, random }: FaultOptions): Promise<void> {
  using _ = log.record("sessions ended");
  const sql = connectPostgres(stack.databaseUrls.order, {
    max: 1,
    applicationName: "tercet-chaos",
  });
  try {
    for (let round = 0; round < 20; round++) {
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where backend_type = 'client backend' and application_name not like 'tercet-%'
          and random() < ${between(0.25, 0.4, random)}`;
      await sleep(30);
    }
  } catch {
    // The database was killed by another fault.
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function resetNetwork({ network, log }: FaultOptions): Promise<void> {
  using _ = log.record("network reset");
  network.reset();
}

const slowNetwork = (options: FaultOptions): Promise<void> =>
  disturbNetwork("network slow", { latencyMs: between(50, 400, options.random) }, options);

const cutNetwork = (options: FaultOptions): Promise<void> =>
  disturbNetwork("black hole", { blackHole: true }, options);

async function disturbNetwork(
  kind: FaultKind,
  fault: NetworkFault,
  { network, log, random }: FaultOptions,
): Promise<void> {
  using _ = log.record(kind);
  network.inject(fault);
  await sleep(between(...NETWORK_MS, random));
  network.inject();
}

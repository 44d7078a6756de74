import { createHash } from "node:crypto";
import type { Defect } from "./defects.ts";
import { scheduleFaults } from "./faults.ts";
import type { Sightings } from "./journal.ts";
import { scheduleOrders } from "./orders.ts";
import { Violation } from "./violation.ts";
import { World } from "./world.ts";

/** A world in which an invariant did not hold. The message contains the command that repeats it. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly seed: number;
  /** The invariant that did not hold; "error" if the code threw. */
  readonly invariant: string;

  constructor(seed: number, cause: unknown, trace: readonly string[]) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(
      `seed ${seed}: ${message}\nrepeat: SIMULATION_SEED=${seed} vitest run packages/order/test/simulation.test.ts\n${trace.join("\n")}`,
      { cause },
    );
    this.seed = seed;
    this.invariant = cause instanceof Violation ? cause.invariant : "error";
  }
}

export interface Simulated {
  readonly trace: readonly string[];
  readonly sightings: Sightings;
  readonly events: number;
}

/** Runs one world to its end. Throws SimulationError. */
export async function simulate(seed: number, defect?: Defect): Promise<Simulated> {
  const world = new World(seed, defect);
  const { journal, time, profile } = world;
  try {
    for (let n = 0; n < profile.workers; n++) world.startWorker();
    scheduleOrders(world);
    scheduleFaults(world);
    await world.run();
  } catch (error) {
    throw new SimulationError(seed, error, journal.lines);
  }
  journal.note(`at rest after ${time.events} events`);
  return { trace: journal.lines, sightings: journal.sightings, events: time.events };
}

/** Runs one world after another, and returns all sightings. Throws the first SimulationError. */
export async function simulateAll(seeds: Iterable<number>, defect?: Defect): Promise<Sightings> {
  const sightings: Sightings = new Map();
  for (const seed of seeds) {
    const simulated = await simulate(seed, defect);
    for (const [what, times] of simulated.sightings)
      sightings.set(what, (sightings.get(what) ?? 0) + times);
    // A simulation runs in microtasks only; the test runner needs the event loop now and then.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sightings;
}

export const traceHash = ({ trace }: Simulated): string =>
  createHash("sha256").update(trace.join("\n")).digest("hex");

export function* seedsFrom(first: number, count: number): Generator<number> {
  for (let seed = first; seed < first + count; seed++) yield seed;
}

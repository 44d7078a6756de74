import { createHash } from "node:crypto";
import { bringCustomers } from "./customers.ts";
import type { Defect } from "./defects.ts";
import type { Sightings } from "./journal.ts";
import { bringMisfortunes } from "./misfortunes.ts";
import { Violation } from "./violation.ts";
import { World } from "./world.ts";

/**
 * A world in which something went wrong that must never go wrong. The message tells how to see it
 * again.
 */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly seed: number;
  /** What did not hold; "error" when the code threw. */
  readonly invariant: string;

  constructor(seed: number, cause: unknown, trace: readonly string[]) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(
      `seed ${seed}: ${message}\nagain: SIMULATION_SEED=${seed} vitest run packages/saga/test/simulation.test.ts\n${trace.join("\n")}`,
      { cause },
    );
    this.seed = seed;
    this.invariant = cause instanceof Violation ? cause.invariant : "error";
  }
}

export interface Simulated {
  readonly trace: readonly string[];
  readonly sightings: Sightings;
  readonly happenings: number;
}

/** One world, from its seed to its end. Throws SimulationError. */
export async function simulate(seed: number, defect?: Defect): Promise<Simulated> {
  const world = new World(seed, defect);
  const { journal, time, profile } = world;
  try {
    for (let n = 0; n < profile.workers; n++) world.startWorker();
    bringCustomers(world);
    bringMisfortunes(world);
    await world.run();
  } catch (error) {
    throw new SimulationError(seed, error, journal.lines);
  }
  journal.note(`rest, after ${time.happened} happenings`);
  return { trace: journal.lines, sightings: journal.sightings, happenings: time.happened };
}

/** Many worlds, one after the other. Throws the first SimulationError. */
export async function simulateAll(seeds: Iterable<number>, defect?: Defect): Promise<Sightings> {
  const sightings: Sightings = new Map();
  for (const seed of seeds) {
    const simulated = await simulate(seed, defect);
    for (const [what, times] of simulated.sightings)
      sightings.set(what, (sightings.get(what) ?? 0) + times);
    // A simulation never leaves the queue of promises; the test runner has messages to read.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sightings;
}

export const traceHash = ({ trace }: Simulated): string =>
  createHash("sha256").update(trace.join("\n")).digest("hex");

export function* seedsFrom(first: number, count: number): Generator<number> {
  for (let seed = first; seed < first + count; seed++) yield seed;
}

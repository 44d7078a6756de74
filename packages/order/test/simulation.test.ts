import { describe, expect, test } from "vitest";
import { DEFECTS, type Defect } from "./simulation/defects.ts";
import {
  SimulationError,
  seedsFrom,
  simulate,
  simulateAll,
  traceHash,
} from "./simulation/simulate.ts";
import type { Invariant } from "./simulation/violation.ts";

/** Enough for each event below to occur. */
const WORLDS = 10_000;
/** SIMULATION_SEED replays one world; SIMULATION_SEEDS is the number of worlds. */
const replayed = process.env["SIMULATION_SEED"];
const worlds = Number(process.env["SIMULATION_SEEDS"] ?? WORLDS);
const seeds = replayed === undefined ? seedsFrom(1, worlds) : [Number(replayed)];

/** What must occur in some world: an invariant that was never at risk has not been tested. */
const SIGHTS = [
  "CONFIRMED",
  "REJECTED",
  "CANCELLED",
  "NEEDS_ATTENTION",
  "write fenced",
  "taken over from a worker that is gone",
  "taken back by the next life of its instance",
  "two living workers with one instance",
  "taken up again by its own worker",
  "compensated for the customer",
  "confirmed order cancelled",
  "cancellation parked",
  "place-order resolved by an operator",
  "cancel-order resolved by an operator",
  "statement executed late",
  "statement's reply lost",
  "message lost",
  "message delayed",
  "message duplicated",
  "connection reset",
  "tombstone",
  "late charge refused",
  "charge abandoned",
  "moves applied in a group",
  "group rolled back",
  "stock refused in a group",
];

test("nothing is lost, doubled or torn in any world", async () => {
  const sightings = await simulateAll(seeds);
  if (replayed === undefined && worlds >= WORLDS)
    expect([...sightings.keys()]).toEqual(expect.arrayContaining(SIGHTS));
});

describe.skipIf(replayed !== undefined)("the simulator", () => {
  test("makes the same world from the same seed", async () => {
    for (const seed of seedsFrom(1, 50))
      expect(traceHash(await simulate(seed))).toBe(traceHash(await simulate(seed)));
    expect(traceHash(await simulate(1))).not.toBe(traceHash(await simulate(2)));
  });

  /** The invariant that breaks in the first world that shows the defect. */
  const shownBy: Readonly<Record<Defect, Invariant>> = {
    "undo registered after the step": "I1",
    "missing fence": "I7",
    "take-over keeps the fence": "I7",
    "taking back keeps the fence": "I7",
    "charge without key": "I2",
    "lost tombstone": "I1",
    "refund marked done before the money moved": "I1",
    "order written without its saga": "I8",
    "refund without key": "I2",
    "stock returned without its saga": "stock",
    "stock kept by a resolution": "stock",
    "stock refused for the neighbours' sake": "stock",
  };

  test.each(DEFECTS)("sees the defect: %s", async (defect) => {
    const error = await simulateAll(seedsFrom(1, 2_000), defect).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(SimulationError);
    expect(error.invariant).toBe(shownBy[defect]);
    expect(error.message).toContain(`SIMULATION_SEED=${error.seed} `);
    const again = await simulate(error.seed, defect).catch((thrown) => thrown);
    expect(again.message).toBe(error.message);
  });
});

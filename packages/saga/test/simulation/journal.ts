import type { VirtualTime } from "./virtual-time.ts";

/**
 * What was seen in one simulation, or in many: a simulation that never met a fault proves nothing
 * about it.
 */
export type Sightings = Map<string, number>;

/** Remembers what happened, for whoever has to understand a failure. */
export class Journal {
  readonly lines: string[] = [];
  readonly sightings: Sightings = new Map();
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  note(line: string): void {
    this.lines.push(`${this.#time.now} ${line}`);
  }

  /** Counts what the tests want to have seen. */
  saw(what: string): void {
    this.sightings.set(what, (this.sightings.get(what) ?? 0) + 1);
  }
}

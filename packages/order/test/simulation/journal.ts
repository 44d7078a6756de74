import type { VirtualTime } from "./virtual-time.ts";

/** How often each kind of event was seen: a simulation that never met a fault proves nothing. */
export type Sightings = Map<string, number>;

/** The trace of one world. */
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

  /** Counts an event that the tests expect to occur in some world. */
  saw(what: string): void {
    this.sightings.set(what, (this.sightings.get(what) ?? 0) + 1);
  }
}

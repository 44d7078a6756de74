import type { Clock } from "../../src/clock.ts";
import type { Random } from "./random.ts";
import type { Happening, VirtualTime } from "./virtual-time.ts";

/**
 * A process that can die or stand still at any moment. Whatever reaches it (answers, timers) comes
 * through `deliver`.
 */
export class Process {
  readonly name: string;
  dead = false;
  frozenUntil = 0;
  readonly clock: Clock;
  readonly #time: VirtualTime;

  constructor(name: string, time: VirtualTime, random: Random) {
    this.name = name;
    this.#time = time;
    this.clock = {
      now: () => time.now,
      random: random.next,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  /** Never when the process is dead by then; when it stands still, as soon as it moves again. */
  deliver(delayMs: number, run: () => void): Happening {
    return this.#time.after(delayMs, () => {
      if (this.dead) return;
      if (this.frozenUntil > this.#time.now) this.deliver(this.frozenUntil - this.#time.now, run);
      else run();
    });
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const over = () => {
        timer.cancelled = true;
        signal.removeEventListener("abort", over);
        resolve();
      };
      const timer = this.deliver(ms, over);
      signal.addEventListener("abort", over);
    });
  }
}

import type { Clock } from "@tercet/saga";
import type { Random } from "./random.ts";
import type { VirtualEvent, VirtualTime } from "./virtual-time.ts";

/** A process that can die or freeze at any moment. Replies and timers reach it by `deliver`. */
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
      after: (ms, run) => {
        const timer = this.deliver(ms, run);
        return () => {
          timer.cancelled = true;
        };
      },
    };
  }

  /** Runs it after the delay: never if the process is dead by then, later if it is frozen. */
  deliver(delayMs: number, run: () => void): VirtualEvent {
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

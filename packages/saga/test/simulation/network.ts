import { UnknownOutcomeError } from "../../src/index.ts";
import type { Journal } from "./journal.ts";
import type { Answer, Reply } from "./payment.ts";
import type { Process } from "./process.ts";
import { FAULTS_END_MS, type Profile } from "./profile.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * Some messages arrive this much later, in milliseconds: long after their sender gave up, or is
 * gone.
 */
const DELAY_MS = 300_000;

const WORDS = {
  messageLost: "message lost",
  messageDelayed: "message delayed",
  messageDoubled: "message doubled",
  connectionReset: "connection reset",
} as const;

/** Between the workers and Payment. It loses, doubles, delays and reorders messages. */
export class Network {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #journal: Journal;

  constructor(time: VirtualTime, random: Random, profile: Profile, journal: Journal) {
    this.#time = time;
    this.#random = random;
    this.#profile = profile;
    this.#journal = journal;
  }

  /** Rejects when the signal aborts, as real clients do; what was sent travels on. */
  call(caller: Process, handle: (reply: Reply) => void, signal: AbortSignal): Promise<Answer> {
    const { resolve, reject, promise } = Promise.withResolvers<Answer>();
    signal.addEventListener(
      "abort",
      () => reject(new UnknownOutcomeError("the call was given up")),
      { once: true },
    );
    if (this.#happens("connectionReset"))
      caller.deliver(this.#random.skewed(1, 500), () =>
        reject(new UnknownOutcomeError("connection reset")),
      );
    const reply: Reply = (answer) =>
      this.#send((ms) => void caller.deliver(ms, () => resolve(answer)));
    this.#send((ms) => void this.#time.after(ms, () => handle(reply)));
    return promise;
  }

  #send(arrive: (ms: number) => void): void {
    if (this.#happens("messageLost")) return;
    arrive(this.#latency());
    if (this.#happens("messageDoubled")) arrive(this.#latency());
  }

  #latency(): number {
    return this.#happens("messageDelayed")
      ? this.#random.skewed(100, DELAY_MS)
      : this.#random.skewed(1, 300);
  }

  #happens(fault: keyof typeof WORDS): boolean {
    const happens = this.#time.now < FAULTS_END_MS && this.#random.chance(this.#profile[fault]);
    if (happens) this.#journal.saw(WORDS[fault]);
    return happens;
  }
}

import { Code, ConnectError } from "@connectrpc/connect";
import type { Journal } from "./journal.ts";
import type { Answer, Reply } from "./payment.ts";
import type { Process } from "./process.ts";
import { FAULTS_END_MS, type Profile } from "./profile.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Some messages are delayed up to this: long after their sender timed out, or is gone. */
const DELAY_MS = 300_000;

const SIGHTS = {
  messageLost: "message lost",
  messageDelayed: "message delayed",
  messageDuplicated: "message duplicated",
  connectionReset: "connection reset",
} as const;

/** The network between the workers and Payment loses, duplicates, delays and reorders messages. */
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

  /** Rejects when the signal aborts, as real clients do; a message that was sent still arrives. */
  call(
    caller: Process,
    handle: (reply: Reply) => void,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { resolve, reject, promise } = Promise.withResolvers<Answer>();
    const abort = () => reject(new ConnectError("the call was cancelled", Code.Canceled));
    signal?.addEventListener("abort", abort, { once: true });
    if (this.#happens("connectionReset"))
      caller.deliver(this.#random.skewed(1, 500), () =>
        reject(new ConnectError("connection reset", Code.Unavailable)),
      );
    const reply: Reply = (answer) =>
      this.#send((ms) => void caller.deliver(ms, () => resolve(answer)));
    this.#send((ms) => void this.#time.after(ms, () => handle(reply)));
    return promise;
  }

  #send(arrive: (ms: number) => void): void {
    if (this.#happens("messageLost")) return;
    arrive(this.#latency());
    if (this.#happens("messageDuplicated")) arrive(this.#latency());
  }

  #latency(): number {
    return this.#happens("messageDelayed")
      ? this.#random.skewed(100, DELAY_MS)
      : this.#random.skewed(1, 300);
  }

  #happens(fault: keyof typeof SIGHTS): boolean {
    const happens = this.#time.now < FAULTS_END_MS && this.#random.chance(this.#profile[fault]);
    if (happens) this.#journal.saw(SIGHTS[fault]);
    return happens;
  }
}

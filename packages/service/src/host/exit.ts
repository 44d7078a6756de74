import { setTimeout as sleep } from "node:timers/promises";

const LONGEST_MS = 2_000;
const work: (() => Promise<unknown>)[] = [];

/**
 * What is to be done between the end of a service and that of its process: to send what is still
 * buffered.
 */
export function beforeExit(finish: () => Promise<unknown>): void {
  work.push(finish);
}

/** Does it, and waits for it a little: nobody who is gone may hold the process. */
export async function finishBeforeExit(): Promise<void> {
  const finished = Promise.allSettled(work.map((finish) => finish()));
  await Promise.race([finished, sleep(LONGEST_MS, undefined, { ref: false })]);
}

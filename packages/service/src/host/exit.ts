import { setTimeout as sleep } from "node:timers/promises";

const LONGEST_MS = 2_000;
const work: (() => Promise<unknown>)[] = [];

/** Registers work for the end of the process, to send what is still buffered. */
export function beforeExit(finish: () => Promise<unknown>): void {
  work.push(finish);
}

/** Does the registered work; waits 2 s at most, so that a lost peer cannot hold the process. */
export async function finishBeforeExit(): Promise<void> {
  const finished = Promise.allSettled(work.map((finish) => finish()));
  await Promise.race([finished, sleep(LONGEST_MS, undefined, { ref: false })]);
}

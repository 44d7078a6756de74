/** Returns the next number in 1, 2, 4, 6, 8, 10, 20, 40 and so on, which divide well by four. */
export function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((step) => step * magnitude >= value) ?? 10) * magnitude;
}

const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

/** Returns at most twelve ticks from 0 on, at round distances. */
export function ticks(totalMs: number): number[] {
  const stepMs = 1_000 * (TICKS_S.find((seconds) => totalMs / 1_000 / seconds <= 12) ?? 1_200);
  return Array.from({ length: Math.floor(totalMs / stepMs) + 1 }, (_, index) => index * stepMs);
}

/** "1:05" */
export const clock = (ms: number): string =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1_000) % 60).padStart(2, "0")}`;

import type { Sql } from "@tercet/service";

const LOOKS = 5;

/**
 * The database's time, in milliseconds since 1970: its distance from ours is measured once, by the
 * quickest of a few answers.
 */
export async function databaseClock(sql: Sql): Promise<() => number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, offsetMs: 0 };
  for (let looks = 0; looks < LOOKS; looks++) {
    const asked = performance.now();
    const [row] = await sql<
      { ms: number }[]
    >`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
    const answered = performance.now();
    if (row !== undefined && answered - asked < best.tookMs)
      best = { tookMs: answered - asked, offsetMs: row.ms - (asked + answered) / 2 };
  }
  return () => performance.now() + best.offsetMs;
}

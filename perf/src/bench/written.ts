import { cpuMs } from "@tercet/cli";
import type { Sql } from "@tercet/service";

/** What a PostgreSQL server has done, for all of its databases. */
export interface Written {
  readonly commits: number;
  readonly walBytes: number;
  /** Of all of the server's processes. */
  readonly cpuMs: number;
}

/** Resolves to the result of the work, and to what was written meanwhile. */
export async function writtenBy<T>(
  sql: Sql,
  work: () => Promise<T>,
): Promise<readonly [T, Written]> {
  const before = await written(sql);
  const result = await work();
  const after = await written(sql);
  const commits = after.commits - before.commits;
  const walBytes = after.walBytes - before.walBytes;
  return [result, { commits, walBytes, cpuMs: after.cpuMs - before.cpuMs }];
}

/** Uses the transaction counter, since session statistics are seconds late. */
async function written(sql: Sql): Promise<Written> {
  const [row] = await sql<{ commits: string; walBytes: string; pids: number[] }[]>`
    select pg_snapshot_xmax(pg_current_snapshot())::text as commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as wal_bytes,
      (select jsonb_agg(pid) from pg_stat_activity) as pids`;
  return {
    commits: Number(row?.commits),
    walBytes: Number(row?.walBytes),
    cpuMs: cpuMs(row?.pids ?? []),
  };
}

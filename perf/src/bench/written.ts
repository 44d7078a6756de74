import { cpuMs } from "@tercet/cli";
import type { Sql } from "@tercet/service";

/** What a PostgreSQL server has done until now, for all of its databases. */
export interface Written {
  readonly commits: number;
  readonly walBytes: number;
  /** Of all of the server's processes. */
  readonly cpuMs: number;
}

/** Uses the transaction counter, since session statistics are seconds late. */
export async function written(sql: Sql): Promise<Written> {
  const [row] = await sql<{ commits: string; walBytes: string; pids: number[] }[]>`
    select pg_snapshot_xmax(pg_current_snapshot())::text as commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as wal_bytes,
      (select jsonb_agg(pid) from pg_stat_activity) as pids`;
  return {
    commits: Number(row?.commits),
    walBytes: Number(row?.walBytes),
    cpuMs: cpuMs(row?.pids ?? []),
  };
}

import { eventsOf, type StoredEvents } from "@tercet/saga";
import { connectPostgres, type Sql } from "@tercet/service";
import type { LabOrder } from "./report.ts";

/** Orders are shown for this long after they have ended. */
const SHOWN_S = 8;
const AT_MOST = 90;

interface HeldSaga {
  readonly id: string;
  readonly subject: string;
}

interface TakeOver {
  readonly atMs: number;
  readonly worker: string;
}

/** Reads in the orders' database where each order is, and who drives it. */
export class Observer {
  readonly #sql: Sql;

  constructor(databaseUrl: string) {
    this.#sql = connectPostgres(databaseUrl, { max: 1, applicationName: "tercet-lab" });
  }

  /** Returns open orders and those that ended lately, newest first. */
  async orders(): Promise<LabOrder[]> {
    return await this.#sql<LabOrder[]>`
      select o.id, o.status, s.state, s.step, s.attempt, w.name as worker,
        (extract(epoch from greatest(s.update_time, o.update_time)) * 1000)::float8 as update_ms
      from sagas s
        join orders o on o.id = s.subject
        left join workers w on w.id = s.owner
      where s.state in ('RUNNING', 'COMPENSATING')
        or s.update_time > now() - make_interval(secs => ${SHOWN_S})
      order by o.id desc limit ${AT_MOST}`;
  }

  /** Returns which of these orders are not stored, and how many of the others have ended. */
  async endedOf(ids: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
    const set = this.#sql.json(ids.map((id) => ({ id })));
    const rows = await this.#sql<{ id: string; ended: boolean }[]>`
      select id, status in ('CONFIRMED', 'REJECTED', 'CANCELLED') as ended
      from orders where id in (select id from jsonb_to_recordset(${set}) as t(id uuid))`;
    return new Map(rows.map(({ id, ended }) => [id, ended]));
  }

  /** Returns the open sagas that a worker holds. */
  async heldBy(worker: string): Promise<HeldSaga[]> {
    return await this.#sql<HeldSaga[]>`
      select s.id, s.subject from sagas s join workers w on w.id = s.owner
      where w.name = ${worker} and s.state in ('RUNNING', 'COMPENSATING')`;
  }

  /** Returns the first time after which another worker moved one of these sagas. */
  async takeOver(
    ids: readonly string[],
    worker: string,
    afterMs: number,
  ): Promise<TakeOver | undefined> {
    const set = this.#sql.json(ids.map((id) => ({ id })));
    const stored = await this.#sql<StoredEvents[]>`
      select events, history from sagas
      where id in (select id from jsonb_to_recordset(${set}) as t(id uuid))`;
    const [first] = stored
      .flatMap(eventsOf)
      .filter((event) => event.worker !== worker)
      .map((event) => ({ atMs: Date.parse(event.time), worker: event.worker }))
      .filter(({ atMs }) => atMs > afterMs)
      .sort((one, other) => one.atMs - other.atMs);
    return first;
  }

  /** Returns the workers that live, with the milliseconds since their last sign. */
  async workers(): Promise<{ name: string; agoMs: number }[]> {
    return await this.#sql<{ name: string; agoMs: number }[]>`
      select name, (extract(epoch from now() - seen_at) * 1000)::float8 as ago_ms
      from workers order by seen_at desc limit 20`;
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }
}

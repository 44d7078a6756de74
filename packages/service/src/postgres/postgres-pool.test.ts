import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { type PostgresFront, postgresFront } from "../../test/postgres-front.ts";
import { type TestDatabase, testDatabase } from "../testing.ts";
import { connectPostgres, isDatabaseUnavailable, type Sql } from "./postgres.ts";
import { isConflict } from "./postgres-pool.ts";

let database: TestDatabase;
let front: PostgresFront;
const pools: Sql[] = [];
beforeAll(async () => {
  database = await testDatabase();
  front = await postgresFront(database.url);
});
afterEach(async () => {
  front.behave("passes");
  await Promise.all(pools.splice(0).map((sql) => sql.end({ timeout: 1 })));
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

function connect(url: string | URL, max?: number): Sql {
  const sql = connectPostgres(String(url), { max, applicationName: "pool-test" });
  pools.push(sql);
  return sql;
}

interface Ending {
  readonly error?: unknown;
  readonly rows?: readonly unknown[];
  readonly ms: number;
}

/** Resolves to the outcome of a statement and its duration. */
async function ending(statement: PromiseLike<readonly unknown[]>): Promise<Ending> {
  const started = performance.now();
  const result = await Promise.resolve(statement).then(
    (rows) => ({ rows: [...rows] }),
    (error: unknown) => ({ error }),
  );
  return { ...result, ms: performance.now() - started };
}

const isBusy = ({ error }: Ending) =>
  (error as { reason?: string } | undefined)?.reason === "DATABASE_BUSY";
/** The statement timeout, the margin for the reply, and the connect timeout. */
const ALL_WAITS_MS = 5_000 + 1_000 + 2_000;
const SLACK_MS = 1_000 * inject("timeFactor");

describe("a server that has gone silent", () => {
  test("statements end, every connection is closed, and the first statement after the recovery works at once", {
    timeout: 30_000,
  }, async () => {
    const sql = connect(front.url, 4);
    const slept = await Promise.all(
      Array.from({ length: 4 }, () => ending(sql.priority("lease")`select pg_sleep(0.1)`)),
    );
    expect(slept.map(({ error }) => error)).toEqual(Array(4).fill(undefined));
    expect(front.open).toBe(4);
    front.behave("silent");
    const { error, ms } = await ending(sql`select 1`);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(ms).toBeLessThan(ALL_WAITS_MS);
    await vi.waitFor(() => expect(front.open).toBe(0));
    front.behave("passes");
    const next = await ending(sql`select 1 as one`);
    expect(next.rows).toEqual([{ one: 1 }]);
    expect(next.ms).toBeLessThan(SLACK_MS);
  });

  test("connecting fails within two seconds, and no statement waits longer for a session", async () => {
    front.behave("silent");
    const sql = connect(front.url, 2);
    const ends = await Promise.all(Array.from({ length: 20 }, () => ending(sql`select 1`)));
    for (const { error } of ends)
      expect(isDatabaseUnavailable(error) || isBusy({ error, ms: 0 })).toBe(true);
    expect(Math.max(...ends.map(({ ms }) => ms))).toBeLessThan(2_000 + 2_000 + SLACK_MS);
  });

  test("the pool closes nevertheless", async () => {
    const sql = connect(front.url, 2);
    await sql`select 1`;
    front.behave("silent");
    const stuck = ending(sql`select 1`);
    const started = performance.now();
    await sql.end({ timeout: 0.3 });
    expect(performance.now() - started).toBeLessThan(300 + SLACK_MS);
    expect(isDatabaseUnavailable((await stuck).error)).toBe(true);
    await vi.waitFor(() => expect(front.open).toBe(0));
  });
});

/** By a front, which stands still too, every reply takes a few rounds of I/O more. */
test.each(["the server", "a front"])(
  "a process that stood still takes the replies of %s",
  {
    timeout: 30_000,
  },
  async (way) => {
    const sql = connect(way === "a front" ? front.url : database.url, 1);
    await sql`select 1`;
    const running = ending(sql`select 1 as one`);
    const waiting = ending(sql`select 2 as two`);
    await turn();
    const until = performance.now() + ALL_WAITS_MS;
    while (performance.now() < until);
    expect((await running).rows).toEqual([{ one: 1 }]);
    expect((await waiting).rows).toEqual([{ two: 2 }]);
  },
);

describe("connections that break", () => {
  test("no statement gets another's result or hangs, and only running statements fail", {
    timeout: 60_000,
  }, async () => {
    const sql = connect(front.url, 4);
    const ends: (Ending & { n: number })[] = [];
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 4 }, () => ending(sql`select 1`)));
      front.reset();
      const calls: Promise<void>[] = [];
      for (let n = round * 40; n < round * 40 + 40; n++) {
        calls.push(ending(sql`select ${n}::int as n`).then((end) => void ends.push({ ...end, n })));
        await turn();
      }
      await Promise.all(calls);
    }
    expect(ends).toHaveLength(30 * 40);
    const failed = ends.filter(({ error }) => error !== undefined);
    for (const { rows, n } of ends.filter(({ error }) => error === undefined))
      expect(rows).toEqual([{ n }]);
    for (const { error } of failed) expect(isDatabaseUnavailable(error)).toBe(true);
    // Those that ran on one of the four connections at the time.
    expect(failed.length).toBeLessThanOrEqual(30 * 4);
    expect(Math.max(...ends.map(({ ms }) => ms))).toBeLessThan(SLACK_MS);
  });

  test("a host that closes connections before it sends a byte is unavailable, without a loop of reconnects", async () => {
    front.behave("hangs up");
    const before = front.accepted;
    const { error, ms } = await ending(connect(front.url, 1)`select 1`);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(ms).toBeLessThan(SLACK_MS);
    expect(front.accepted - before).toBe(1);
  });

  test("the next of several hosts in the URL is tried", async () => {
    const gone = createServer();
    await once(gone.listen(0, "127.0.0.1"), "listening");
    const { port } = gone.address() as { port: number };
    await once(gone.close(), "close");
    const url = new URL(database.url);
    const sql = connect(url.href.replace(url.host, `127.0.0.1:${port},${url.host}`), 1);
    expect(isDatabaseUnavailable((await ending(sql`select 1`)).error)).toBe(true);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });
});

describe("a database that is too slow for the load", () => {
  const SIZE = 4;
  /** Sessions that calls may take, and calls that may wait. */
  const [RUNNING, WAITING] = [2, SIZE * 100];

  async function locked(work: (sql: Sql) => Promise<void>): Promise<void> {
    const holder = connect(database.url, 1);
    const sql = connect(database.url, SIZE);
    await holder`create table if not exists busy (n int)`;
    await holder`create table if not exists quiet (n int)`;
    const held = ending(
      holder`with held as (select pg_sleep(2.5)), one as (insert into busy select 1 from held returning n) select count(*) from one`,
    );
    await vi.waitFor(async () =>
      expect(
        await sql.priority(
          "lease",
        )`select from pg_locks where relation = 'busy'::regclass and mode = 'RowExclusiveLock'`,
      ).toHaveLength(1),
    );
    await work(sql);
    expect((await held).error).toBeUndefined();
  }

  /** Waits for the insert. */
  const blocked = (sql: Sql) => ending(sql`create index on busy (n)`);

  test("says for how long the oldest statement has waited", async () => {
    const sql = connect(database.url, 3);
    expect(sql.waitMs()).toBe(0);
    // Calls have one of three sessions.
    const running = ending(sql`select pg_sleep(0.3)`);
    const waiting = ending(sql`select 1`);
    await vi.waitFor(() => expect(sql.waitMs()).toBeGreaterThan(50));
    await Promise.all([running, waiting]);
    expect(sql.waitMs()).toBe(0);
  });

  test("the queue is bounded: excess calls are refused at once, queued ones at their timeout; work and leases go on", {
    timeout: 30_000,
  }, async () => {
    await locked(async (sql) => {
      const calls = Array.from({ length: RUNNING + WAITING }, () => blocked(sql));
      // The driver executes a statement a microtask after it is awaited.
      await turn();
      for (let excess = 0; excess < 5; excess++) {
        const refused = await ending(sql`select 1`);
        expect(isBusy(refused)).toBe(true);
        expect(refused.error).toMatchObject({ retryAfterMs: 1_000 });
        expect(refused.ms).toBeLessThan(50 * inject("timeFactor"));
      }
      for (const priority of ["work", "lease"] as const) {
        const { error, ms } = await ending(sql.priority(priority)`insert into quiet values (1)`);
        expect([error, ms < SLACK_MS]).toEqual([undefined, true]);
      }
      const ends = await Promise.all(calls);
      const waited = ends.filter(isBusy);
      expect(waited).toHaveLength(WAITING);
      expect(Math.max(...waited.map(({ ms }) => ms))).toBeLessThan(2_000 + SLACK_MS);
      expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    });
  });

  test("when no server can be reached, refused statements fail as unavailable, not as busy", async () => {
    const sql = connect(`postgres://x:x@127.0.0.1:1/x`, 2);
    const ends = await Promise.all(Array.from({ length: 300 }, () => ending(sql`select 1`)));
    const later = await Promise.all(Array.from({ length: 300 }, () => ending(sql`select 1`)));
    for (const { error } of later) expect(isDatabaseUnavailable(error)).toBe(true);
    expect(Math.max(...[...ends, ...later].map(({ ms }) => ms))).toBeLessThan(2_000 + SLACK_MS);
  });
});

describe("statements that the server rolls back because of others", () => {
  test("are retried: of fifty serializable writers of one row nearly all write, and the others fail as conflicts", async () => {
    const url = new URL(database.url);
    url.searchParams.set("default_transaction_isolation", "serializable");
    const sql = connect(url, 20);
    await sql`create table counters (id int primary key, n int not null)`;
    await sql`insert into counters values (1, 0)`;
    const conflicts = async () =>
      (
        await sql<
          { n: bigint }[]
        >`select xact_rollback as n from pg_stat_database where datname = current_database()`
      )[0]?.n ?? 0n;
    const before = await conflicts();
    const ends = await Promise.all(
      Array.from({ length: 50 }, () =>
        ending(sql`update counters set n = n + 1, id = id where id = 1`),
      ),
    );
    const failed = ends.filter(({ error }) => error !== undefined);
    for (const { error } of failed) expect(isConflict(error)).toBe(true);
    expect(await sql`select n from counters`).toEqual([{ n: 50 - failed.length }]);
    expect(failed.length).toBeLessThan(10);
    // There were conflicts.
    await vi.waitFor(async () => expect(await conflicts()).toBeGreaterThan(before), {
      timeout: 5_000,
    });
  });

  test("fail after eight attempts", async () => {
    const sql = connect(database.url, 1);
    await sql`create sequence tries`;
    await sql.unsafe(
      "create function lose() returns int language plpgsql as $$ begin perform nextval('tries'); raise sqlstate '40P01'; end $$",
    );
    const { error, ms } = await ending(sql`select lose()`);
    expect(isConflict(error)).toBe(true);
    expect(await sql`select last_value from tries`).toEqual([{ lastValue: 8n }]);
    expect(ms).toBeLessThan(SLACK_MS);
  });
});

describe("a server that has run out of a resource", () => {
  test("disk: unavailable, and the session remains usable", async () => {
    const sql = connect(database.url, 1);
    await sql.unsafe(
      "create function full_disk() returns int language plpgsql as $$ begin raise sqlstate '53100'; end $$",
    );
    const backend = async () =>
      (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
    const pid = await backend();
    expect(isDatabaseUnavailable((await ending(sql`select full_disk()`)).error)).toBe(true);
    expect(await backend()).toBe(pid);
  });

  test("connections: unavailable while there are none, and working again when there are some", async () => {
    const admin = connect(database.url, 1);
    const role = `few_${crypto.randomUUID().slice(0, 8)}`;
    await admin.unsafe(`create role ${role} login password 'few' connection limit 1`);
    const url = Object.assign(new URL(database.url), { username: role, password: "few" });
    const sql = connect(url, 4);
    const sleeps = () =>
      Promise.all(
        Array.from({ length: 3 }, () => ending(sql`select pg_sleep(0.3) as nap`.then(() => []))),
      );
    const ends = await sleeps();
    const failed = ends.filter(({ error }) => error !== undefined);
    expect(failed.length).toBe(2);
    for (const { error } of failed) {
      expect(error).toMatchObject({ code: "53300" });
      expect(isDatabaseUnavailable(error)).toBe(true);
    }
    await admin.unsafe(`alter role ${role} connection limit -1`);
    expect((await sleeps()).filter(({ error }) => error !== undefined)).toEqual([]);
    await sql.end();
    await admin.unsafe(`drop role ${role}`);
  });
});

describe("over TLS", () => {
  let folder: string;
  let secure: PostgresFront;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tercet-postgres-tls-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const args = [
      "req",
      "-x509",
      ...curve,
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      key,
      "-out",
      cert,
    ];
    execFileSync("openssl", args, { stdio: "pipe" });
    secure = await postgresFront(database.url, {
      key: readFileSync(key),
      cert: readFileSync(cert),
    });
  });
  afterEach(() => secure.behave("passes"));
  afterAll(async () => {
    await secure[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  const withTls = (mode: string, host = "127.0.0.1") => {
    const url = new URL(secure.url);
    url.hostname = host;
    url.searchParams.set("sslmode", mode);
    return url;
  };

  test("the driver starts TLS on our socket, and statements work, also after connections were reset", async () => {
    const sql = connect(withTls("require"), 2);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    for (let round = 0; round < 10; round++) {
      secure.reset();
      await vi.waitFor(async () => expect(await sql`select 2 as two`).toEqual([{ two: 2 }]), {
        timeout: SLACK_MS,
        interval: 5,
      });
    }
  });

  test("an untrusted certificate is refused where it is verified, and so is a client without TLS", async () => {
    const verifying = await ending(connect(withTls("verify-full", "localhost"), 1)`select 1`);
    expect(verifying.error).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    expect(isDatabaseUnavailable((await ending(connect(secure.url, 1)`select 1`)).error)).toBe(
      true,
    );
  });

  test("a host that closes connections after the handshake causes no loop of reconnects", async () => {
    secure.behave("hangs up");
    const before = secure.accepted;
    const { error, ms } = await ending(connect(withTls("require"), 1)`select 1`);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(ms).toBeLessThan(SLACK_MS);
    expect(secure.accepted - before).toBe(1);
  });

  test("a silent server is handled as without TLS", { timeout: 30_000 }, async () => {
    const sql = connect(withTls("require"), 2);
    await sql`select 1`;
    secure.behave("silent");
    const { error, ms } = await ending(sql`select 1`);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(ms).toBeLessThan(ALL_WAITS_MS);
    await vi.waitFor(() => expect(secure.open).toBe(0));
    secure.behave("passes");
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });
});

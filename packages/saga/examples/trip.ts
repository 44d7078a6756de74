/**
 * Books a flight and a hotel, and survives the death of its process:
 *
 *     node packages/saga/examples/trip.ts postgres://localhost/trips [full]
 *
 * The first worker dies as soon as the flight is booked. The second takes the trip over and
 * finishes it or, if the hotel is "full", cancels the flight. Needs an empty database, and `pnpm
 * build`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import {
  advance,
  beginSaga,
  createSagaEngine,
  initial,
  isOpen,
  type Move,
  moveRows,
  postgresSagaStore,
  remote,
  type SagaDefinition,
  type SagaSql,
  TerminalError,
  toResults,
} from "@tercet/saga";
import { sagas, workers } from "@tercet/saga/schema";
import postgres from "postgres";
import { v7 as uuidv7 } from "uuid";

interface Trip {
  readonly hotelIsFull: boolean;
}

// #region definition
/** Book a flight, then a hotel. If there is no room, cancel the flight. */
function tripSaga(sql: SagaSql, agency: Agency): SagaDefinition<Trip> {
  return {
    kind: "trip",
    version: 1,
    steps: [
      initial({ name: "plan" }),
      remote<Trip>({
        name: "flight",
        run: ({ subject }) => agency.book(subject, "flight"),
        undo: ({ subject }) => agency.cancel(subject, "flight"),
      }),
      // No undo: an unpaid hotel reservation lapses by itself.
      remote<Trip>({
        name: "hotel",
        run: async ({ subject, input }) => {
          if (input.hotelIsFull) throw new TerminalError("HOTEL_FULL", "there is no room");
          await agency.book(subject, "hotel");
        },
      }),
    ],
    recovery: "backward",
    deadlineMs: 60_000,
    compensationBudgetMs: 60_000,
    deadlineFailure: { reason: "TOO_LATE", message: "the trip could not be booked in time" },
    syncSubject: (moves) => syncTrips(sql, moves),
    parse: (input) => input as Trip,
  };
}
// #endregion

/** One statement: moves the sagas, and shows their state in the business's own table. */
async function syncTrips(sql: SagaSql, moves: readonly Move[]) {
  const rows = await sql<{ sagaId: string }[]>`
    with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}),
    synced as (update trips t set status = moved.state from moved where t.id = moved.subject)
    select saga_id from moved`;
  return toResults(moves, rows);
}

/** Another system. Both calls are idempotent. */
interface Agency {
  book(trip: string, what: string): Promise<void>;
  cancel(trip: string, what: string): Promise<void>;
}

const agencyOn = (sql: SagaSql): Agency => ({
  async book(trip, what) {
    const [booking] = await sql<{ status: string }[]>`
      insert into bookings values (${trip}, ${what}, 'BOOKED')
      on conflict (trip, what) do update set status = bookings.status returning status`;
    if (booking?.status === "CANCELLED")
      throw new TerminalError("CANCELLED", `no ${what} any more`);
  },
  // Also if nothing is booked: the row is a tombstone, which refuses a booking that arrives late.
  async cancel(trip, what) {
    await sql`
      insert into bookings values (${trip}, ${what}, 'CANCELLED')
      on conflict (trip, what) do update set status = 'CANCELLED'`;
  },
});

/** Begins a trip and dies as soon as its flight is booked. */
async function workAndDie(url: string, id: string, trip: Trip): Promise<void> {
  const sql = connect(url);
  const agency = agencyOn(sql);
  const definition = tripSaga(sql, {
    ...agency,
    book: async (...booking) => {
      await agency.book(...booking);
      say("books the flight, and is killed");
      process.kill(process.pid, "SIGKILL");
    },
  });
  const engine = engineOf(sql, definition);
  await engine.start();
  const saga = engine.prepare(definition, id, trip);
  await sql`
    with trip as (insert into trips values (${id}, 'RUNNING') returning id),
    begun as (${beginSaga(sql, saga, sql`trip`)})
    select id from trip`;
  engine.drive(saga);
}

/** Drives whatever is due, until a trip has ended. */
async function work(url: string): Promise<void> {
  const sql = connect(url);
  const ended = Promise.withResolvers<void>();
  const engine = engineOf(sql, tripSaga(sql, agencyOn(sql)), ended.resolve);
  await engine.start();
  await ended.promise;
  await engine.stop();
  await sql.end();
}

const engineOf = (sql: SagaSql, definition: SagaDefinition<Trip>, onEnd = () => {}) =>
  createSagaEngine({
    store: postgresSagaStore(sql),
    definitions: [definition],
    // Short, so that the take-over is quick to watch.
    leaseMs: 1_000,
    pollMs: 100,
    observer: {
      onHeld: ({ step }, takenOver) => say(`${takenOver ? "takes over" : "begins"} at ${step}`),
      onMoved: (_saga, state) => {
        say(`moves the trip to ${state}`);
        if (!isOpen(state)) onEnd();
      },
    },
  });

const connect = (url: string): SagaSql =>
  postgres(url, {
    max: 4,
    types: { bigint: postgres.BigInt },
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
  });

const say = (line: string): void => {
  process.stdout.write(`process ${process.pid} ${line}\n`);
};

/**
 * Creates the tables. A service exports the engine's in its own schema, and migrates them with it.
 */
async function migrate(sql: SagaSql): Promise<void> {
  const { generateDrizzleJson, generateMigration } = await import("drizzle-kit/api");
  const schema = generateDrizzleJson({ sagas, workers });
  for (const statement of await generateMigration(generateDrizzleJson({}), schema))
    await sql.unsafe(statement);
  await sql`create table trips (id uuid primary key, status text not null)`;
  await sql`create table bookings (trip uuid, what text, status text, primary key (trip, what))`;
}

/** Runs two workers, one after the other, and shows what is booked in the end. */
async function demonstrate(url: string, hotel: string): Promise<void> {
  const sql = connect(url);
  await migrate(sql);
  const self = import.meta.filename;
  await once(fork(self, [url, hotel, uuidv7()]), "exit");
  await once(fork(self, [url, hotel, "take over"]), "exit");
  for (const { what, status } of await sql`select what, status from bookings order by what`)
    say(`finds ${what}: ${status}`);
  await sql.end();
}

const [url = "", hotel = "", id] = process.argv.slice(2);
if (id === undefined) await demonstrate(url, hotel);
else if (id === "take over") await work(url);
else await workAndDie(url, id, { hotelIsFull: hotel === "full" });

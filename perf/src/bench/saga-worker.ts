/**
 * A process that places orders without a host: by the saga engine; by the same statements and calls
 * in a straight line, which a crash would interrupt; or by the least statements that a shop could
 * do with: no saga, no timeline, no idempotency. On request, places as many as it can.
 */
import {
  charge,
  envToConfig as orderConfig,
  type PlaceInput,
  paymentClient,
  paymentIdOf,
  placeOrderSaga,
  postgresStore,
} from "@tercet/order";
import {
  createMove,
  createSagaEngine,
  type Move,
  type NewSaga,
  postgresSagaStore,
  type SagaObserver,
} from "@tercet/saga";
import { connectPostgres, readEnv, toMoneyJson } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import type { Load } from "./call-client.ts";
import { type Figures, figuresOf, saturate } from "./load.ts";
import { anyProduct } from "./products.ts";
import { respond } from "./worker.ts";

const config = orderConfig(readEnv());
const sql = connectPostgres(config.databaseUrl, {
  applicationName: "bench",
  max: config.service.databasePoolSize,
});
const work = sql.priority("work");
const orders = postgresStore(sql, work);
const payments = paymentClient(config);
const definition = placeOrderSaga({ orders, payments, times: config.saga });

const ended = new Map<string, (state: string) => void>();
const observer: SagaObserver = { onMoved: ({ id }, state) => ended.get(id)?.(state) };
const engine = createSagaEngine({
  store: postgresSagaStore(work, sql.priority("lease")),
  definitions: [definition],
  observer,
  // Without the engine nothing else may continue an order that takes longer than a lease.
  ...(process.argv[2] !== "engine" && { pollMs: 3_600_000 }),
});
await engine.start();

const TOKEN = "tok_visa";
const customerId = crypto.randomUUID();

/** Stores the order and its saga by the same statement as the service. */
async function store() {
  const { sku, name, price: total } = anyProduct();
  const id = uuidv7();
  const paymentId = paymentIdOf(id);
  const items = [{ sku, name, quantity: 1, unitPrice: total }];
  const input: PlaceInput = { customerId, paymentId, amount: toMoneyJson(total), token: TOKEN };
  const saga = engine.prepare(definition, id, input);
  const request = {
    caller: customerId,
    requestId: crypto.randomUUID(),
    method: "CreateOrder",
    fingerprint: id,
    resourceId: id,
  };
  await orders.insertOrder(request, { id, customerId, items, total, paymentId }, saga);
  return { id, paymentId, total, saga };
}

async function byEngine(): Promise<void> {
  const { saga } = await store();
  const state = await new Promise((resolve) => {
    ended.set(saga.id, resolve);
    engine.drive(saga);
  });
  ended.delete(saga.id);
  if (state !== "COMPLETED") throw new Error(`a saga ended as ${state}`);
}

async function inAStraightLine(): Promise<void> {
  const { id, paymentId, total: amount, saga } = await store();
  const start = performance.now();
  const signal = AbortSignal.timeout(config.saga.stepTimeoutMs);
  await charge(
    payments,
    { paymentId, orderId: id, customerId, amount, token: TOKEN },
    { signal, repeated: false },
  );
  const [result] = await orders.confirmOrders([confirmation(saga, performance.now() - start)]);
  if (result?.moved !== true) throw new Error("an order was not confirmed");
}

/** The same two events as the engine's. */
function confirmation(saga: NewSaga, tookMs: number): Move {
  const event = {
    action: "RUN",
    outcome: "SUCCEEDED",
    attempt: 1,
    durationMs: Math.round(tookMs),
    message: "",
    worker: "bench",
    agoMs: 0,
  } as const;
  return createMove(saga, {
    state: "COMPLETED",
    step: "allocate",
    events: [
      { step: "charge", ...event },
      { step: "allocate", ...event },
    ],
  });
}

async function byBareStatements(): Promise<void> {
  const { sku, price: amount } = anyProduct();
  const id = uuidv7();
  const paymentId = paymentIdOf(id);
  await sql`
    insert into bare_orders (id, customer_id, status, sku, minor_units, payment_id)
    values (${id}, ${customerId}, 'PENDING', ${sku}, ${amount.minorUnits.toString()}::bigint, ${paymentId})`;
  await charge(
    payments,
    { paymentId, orderId: id, customerId, amount, token: TOKEN },
    { signal: AbortSignal.timeout(config.saga.stepTimeoutMs), repeated: false },
  );
  await sql`
    with confirmed as (update bare_orders set status = 'CONFIRMED' where id = ${id} returning sku)
    update products p set stock = p.stock - 1 from confirmed c where p.sku = c.sku`;
}

const VARIANTS: Readonly<Record<string, () => Promise<void>>> = {
  "bare statements": byBareStatements,
  "no engine": inAStraightLine,
  engine: byEngine,
};

const place = VARIANTS[process.argv[2] ?? ""];
if (place === undefined) throw new Error(`there is no variant ${process.argv[2]}`);
await sql`
  create table if not exists bare_orders (id uuid primary key, customer_id uuid not null,
    status text not null, sku text not null, minor_units bigint not null, payment_id uuid not null)`;
await respond(
  "ready",
  async ({ inFlight, durationMs }: Load): Promise<Figures> =>
    figuresOf(await saturate(place, inFlight, durationMs)),
);

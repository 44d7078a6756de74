import { grouped } from "@tercet/group";
import { type PlaceInput, paymentIdOf, placeOrderSaga, postgresStore } from "@tercet/order";
import { connectPaymentStore } from "@tercet/payment";
import { createMove, createSagaEngine, type Move, postgresSagaStore } from "@tercet/saga";
import { connectPostgres, toMoneyJson } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { v7 as uuidv7 } from "uuid";
import { compareAll } from "./compare.ts";
import { freeze, startBenchStack } from "./processes.ts";
import { anyProduct, PRODUCTS } from "./products.ts";
import type { Results } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";
import { type Written, writtenBy } from "./written.ts";

/** Of one statement, for some number of orders. */
interface Round extends Written {
  readonly orders: number;
  readonly wallMs: number;
}

const FIGURES = {
  "WAL bytes per order": ({ walBytes, orders }: Round) => walBytes / orders,
  "PostgreSQL CPU per order, ms": ({ cpuMs, orders }: Round) => cpuMs / orders,
  "transactions per order": ({ commits, orders }: Round) => commits / orders,
  "orders/s": ({ wallMs, orders }: Round) => (orders / wallMs) * 1_000,
};
const IN_FLIGHT = [1, 32];
/** Orders of one measurement, for each of its seconds. */
const ORDERS_PER_SECOND = 400;

/**
 * Measures what each statement of an order writes and costs, one after another in flight and many
 * at once, on a PostgreSQL that serves nothing else. No service runs.
 */
export async function benchStatements(options: BenchOptions): Promise<Results> {
  const { rounds, seconds, signal, onProgress } = options;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "statements"));
  const pids = Object.values(stack.services).map(({ pid }) => pid ?? 0);
  freeze(pids, resources);
  const statements = await statementsOf(stack, resources);
  const sql = connectPostgres(stack.databaseUrls.order, {
    applicationName: "bench-statistics",
    max: 1,
  });
  resources.defer(() => sql.end({ timeout: 1 }));
  const measured = new Map<string, Round[]>();
  // Round 0 is the warm-up.
  for (let round = 0; round <= rounds; round++)
    for (const inFlight of IN_FLIGHT) {
      onProgress(`round ${round} of ${rounds}, ${inFlight} in flight`);
      const orders = Array.from({ length: seconds * ORDERS_PER_SECOND }, newOrder);
      for (const [name, run] of Object.entries(statements)) {
        signal.throwIfAborted();
        const [wallMs, counts] = await writtenBy(sql, async () => {
          const start = performance.now();
          await all(orders, inFlight, run);
          return performance.now() - start;
        });
        const key = `${name} ${inFlight}`;
        const result = { orders: orders.length, wallMs, ...counts };
        if (round > 0) measured.set(key, [...(measured.get(key) ?? []), result]);
      }
    }
  return Object.fromEntries(
    Object.keys(statements).map((name) => {
      const of = (inFlight: number) => measured.get(`${name} ${inFlight}`) ?? [];
      const variants = IN_FLIGHT.map((inFlight) => [`${inFlight} in flight`, of(inFlight)]);
      return [name, compareAll<Round>(Object.fromEntries(variants), FIGURES)];
    }),
  );
}

function newOrder() {
  const id = uuidv7();
  const { sku, name, price } = anyProduct();
  return {
    id,
    customerId: crypto.randomUUID(),
    items: [{ sku, name, quantity: 1, unitPrice: price }],
    total: price,
    paymentId: paymentIdOf(id),
    sagaId: uuidv7(),
    requestId: crypto.randomUUID(),
  };
}

type NewOrder = ReturnType<typeof newOrder>;

/** Runs a statement for each order, with `inFlight` at a time. */
async function all(
  orders: readonly NewOrder[],
  inFlight: number,
  run: (order: NewOrder) => Promise<unknown>,
): Promise<void> {
  const left = orders.values();
  const work = async () => {
    for (const order of left) await run(order);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

/** The statements of an order that is confirmed, as the services send them, in their order. */
async function statementsOf({ databaseUrls }: Stack, resources: AsyncDisposableStack) {
  const sql = connectPostgres(databaseUrls.order, { applicationName: "bench" });
  resources.defer(() => sql.end({ timeout: 1 }));
  const payments = resources.use(await connectPaymentStore(databaseUrls.payment));
  const orders = postgresStore(sql);
  for (const { sku, name, price } of PRODUCTS) {
    const request = { caller: "bench", requestId: crypto.randomUUID(), method: "PutProduct" };
    const product = { sku, name, description: "", price, stock: 1_000_000_000n };
    await orders.putProduct({ ...request, fingerprint: "", resourceId: sku }, product);
  }
  const times = { deadlineMs: 120_000, compensationBudgetMs: 120_000 };
  const definition = placeOrderSaga({ orders, payments: {} as never, times });
  const engine = createSagaEngine({ store: postgresSagaStore(sql), definitions: [] });
  const sagaOf = ({ id, sagaId, customerId, paymentId, total }: NewOrder) => {
    const input: PlaceInput = {
      customerId,
      paymentId,
      amount: toMoneyJson(total),
      token: "tok_visa",
    };
    return { ...engine.prepare(definition, id, input, customerId), id: sagaId };
  };
  // As the engine does.
  const confirm = grouped({
    run: orders.confirmOrders,
    keyOf: ({ sagaId }: Move) => sagaId,
    isRolledBack: () => false,
  });
  const event = (step: string) => ({
    step,
    action: "RUN" as const,
    outcome: "SUCCEEDED" as const,
    attempt: 1,
    durationMs: 12,
    message: "",
    worker: engine.worker.name,
    agoMs: 3,
  });
  const statements: Readonly<Record<string, (order: NewOrder) => Promise<unknown>>> = {
    "prices are read, unless they are known": ({ items }) =>
      orders.findProducts(items.map(({ sku }) => sku)),
    "the order is stored": (order) => {
      const { id, customerId: caller, requestId } = order;
      const request = { caller, requestId, method: "CreateOrder", fingerprint: id.repeat(2) };
      return orders.insertOrder({ ...request, resourceId: id }, order, sagaOf(order));
    },
    "the payment is stored": ({ id: orderId, customerId, total, paymentId }) =>
      payments.open(paymentId, {
        orderId,
        customerId,
        amount: total,
        fingerprint: orderId.repeat(2),
      }),
    "the payment is settled": ({ paymentId }) =>
      payments.settle(paymentId, { outcome: "approved", reference: paymentId }),
    "the order is confirmed": (order) => {
      const events = [event("charge"), event("allocate")];
      const saga = { ...sagaOf(order), fence: 1n };
      return confirm(createMove(saga, { state: "COMPLETED", step: "allocate", events }));
    },
    "the order is read": ({ id }) => orders.findOrder(id),
  };
  return statements;
}

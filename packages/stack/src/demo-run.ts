import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { type Api, logIn } from "./api.ts";
import { type DemoOrder, demoOrders, type Ending, neededStock } from "./demo-orders.ts";

/** The stack that the demo orders from. */
export interface DemoTarget {
  readonly url: string;
  readonly passwords: Readonly<Record<"alice" | "olivia", string>>;
}

export interface DemoResult {
  readonly demo: DemoOrder;
  readonly order: Order;
  readonly ending: Ending;
}

type Callers = Readonly<Record<"alice" | "olivia", Api>>;

/** CreateOrder waits this long for the outcome; after that the order is watched. */
const WAIT = { timeoutMs: 30_000 };
const WATCH = { timeoutMs: 180_000 };
const RESTOCK = 500n;
const OPEN: ReadonlySet<OrderStatus> = new Set([OrderStatus.PENDING, OrderStatus.CANCELLING]);

/** Places all orders at once; `onState` receives each state of each order. */
export async function runDemo(
  target: DemoTarget,
  onState: (index: number, state: string) => void,
  signal: AbortSignal,
): Promise<DemoResult[]> {
  const caller = (name: "alice" | "olivia") =>
    logIn(target.url, { email: `${name}@example.com`, password: target.passwords[name] });
  const callers = { alice: await caller("alice"), olivia: await caller("olivia") };
  await prepareStock(callers.olivia);
  return await Promise.all(
    demoOrders.map((demo, index) => place(callers, demo, (state) => onState(index, state), signal)),
  );
}

async function prepareStock({ catalog }: Api): Promise<void> {
  const { products } = await catalog.listProducts({ pageSize: 100 });
  const used = new Set(demoOrders.flatMap(({ items }) => items.map(({ sku }) => sku)));
  for (const { sku, stock } of products.filter((product) => used.has(product.sku))) {
    const { min, max } = neededStock(sku);
    if (stock >= min && stock <= max) continue;
    const delta = stock < min ? RESTOCK : max - stock;
    await catalog.adjustStock({ sku, delta, requestId: crypto.randomUUID() });
  }
}

async function place(
  callers: Callers,
  demo: DemoOrder,
  onState: (state: string) => void,
  signal: AbortSignal,
): Promise<DemoResult> {
  const { alice } = callers;
  const requestId = () => crypto.randomUUID();
  const settle = async (order: Order) => {
    const settled = await settledOrder(alice, order, signal);
    onState(OrderStatus[settled.status]);
    return settled;
  };
  onState("placing");
  const { items, token } = demo;
  const request = { requestId: requestId(), items: [...items], paymentMethod: { token } };
  let order = await settle(await alice.orders.createOrder(request, { ...WAIT, signal }));
  if (demo.cancelledBy !== undefined && order.status === OrderStatus.CONFIRMED) {
    onState("cancelling");
    const cancel = { orderId: order.id, requestId: requestId(), reason: "shown in the demo" };
    const { orders } = callers[demo.cancelledBy];
    order = await settle(await orders.cancelOrder(cancel, { ...WAIT, signal }));
  }
  const payment = await alice.payments.getPayment({ paymentId: order.paymentId }, { signal });
  const ending = {
    status: OrderStatus[order.status],
    reason: order.failure?.reason,
    payment: PaymentStatus[payment.status],
  };
  return { demo, order, ending };
}

/** Waits until the order is in a final state; resolves to it, with its timeline. */
async function settledOrder({ orders }: Api, order: Order, signal: AbortSignal): Promise<Order> {
  let { status } = order;
  const request = { orderId: order.id };
  if (OPEN.has(status))
    for await (const { order: seen } of orders.watchOrder(request, { ...WATCH, signal }))
      status = seen?.status ?? status;
  return await orders.getOrder(request, { signal });
}

import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { CallLog } from "./call-log.ts";
import { type GrpcClient, grpcClient } from "./grpc-client.ts";
import type { Shopper } from "./shopper.ts";

export interface CallStreamsOptions {
  readonly orderUrl: string;
  readonly paymentUrl: string;
  /** Whose token is used, and who has the acknowledged orders. */
  readonly shopper: Shopper;
  readonly sku: string;
  /** A payment of the shopper's. */
  readonly paymentId: string;
}

/** Calls to one service over one protocol, by clients that keep connections and never retry. */
export interface CallStream extends Disposable {
  readonly name: string;
  readonly log: CallLog;
  /** Calls at a constant rate until the signal aborts. Resolves when every call has ended. */
  run(everyMs: number, signal: AbortSignal): Promise<void>;
}

/** Less than a drain may take. */
const TIMEOUT_MS = 10_000;
/** One order in this many takes 2 s, and may be in progress when its replica is drained. */
const SLOW_ONE_IN = 5;
/** HTTP/2 connections of each stream, so that every replica has some. */
const CONNECTIONS = 4;

/** Opens streams of orders and of reads of a payment, each over HTTP/1.1 and over gRPC. */
export function openCallStreams(options: CallStreamsOptions): CallStream[] {
  const { orderUrl, paymentUrl, shopper, sku, paymentId } = options;
  const [orderHttp1, paymentHttp1] = [overHttp1(orderUrl, shopper), overHttp1(paymentUrl, shopper)];
  const [orderGrpc, paymentGrpc] = [overGrpc(orderUrl), overGrpc(paymentUrl)];
  const orders = createClient(OrderService, orderHttp1.transport);
  const payments = createClient(PaymentService, paymentHttp1.transport);
  const { createOrder } = OrderService.method;
  const { getPayment } = PaymentService.method;
  const place =
    (create: (request: ReturnType<typeof anOrder>, n: number) => Promise<{ id: string }>) =>
    async (n: number) => {
      const request = anOrder(sku, n);
      shopper.acknowledged.set(request.requestId, (await create(request, n)).id);
    };
  return [
    stream(
      "Order, HTTP/1.1",
      orderHttp1,
      place((request) => orders.createOrder(request, { timeoutMs: TIMEOUT_MS })),
    ),
    stream(
      "Order, gRPC",
      orderGrpc,
      place(async (request, n) =>
        orderGrpc.client(n).call(createOrder, request, await shopper.token()),
      ),
    ),
    stream("Payment, HTTP/1.1", paymentHttp1, () =>
      payments.getPayment({ paymentId }, { timeoutMs: TIMEOUT_MS }),
    ),
    stream("Payment, gRPC", paymentGrpc, async (n) =>
      paymentGrpc.client(n).call(getPayment, { paymentId }, await shopper.token()),
    ),
  ];
}

const anOrder = (sku: string, n: number) => ({
  requestId: crypto.randomUUID() as string,
  items: [{ sku, quantity: 1 }],
  paymentMethod: { token: n % SLOW_ONE_IN === 0 ? "tok_slow" : "tok_visa" },
});

function stream(
  name: string,
  client: Disposable,
  call: (n: number) => Promise<unknown>,
): CallStream {
  const log = new CallLog({ isExpected: () => false });
  return {
    name,
    log,
    run: async (everyMs, signal) => {
      const calls: Promise<unknown>[] = [];
      for (let n = 0; !signal.aborted; n++) {
        calls.push(log.make(name, TIMEOUT_MS, () => call(n)).catch(() => {}));
        await sleep(everyMs, undefined, { signal }).catch(() => {});
      }
      await Promise.all(calls);
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}

function overHttp1(baseUrl: string, shopper: Shopper) {
  const agent = new Agent({ keepAlive: true });
  const authorize: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${await shopper.token()}`);
    return await next(request);
  };
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    nodeOptions: { agent },
    interceptors: [authorize],
  });
  return { transport, [Symbol.dispose]: () => agent.destroy() };
}

function overGrpc(url: string) {
  const clients = Array.from({ length: CONNECTIONS }, () => grpcClient(url, TIMEOUT_MS));
  return {
    client: (n: number) => clients[n % CONNECTIONS] as GrpcClient,
    [Symbol.dispose]: () => clients.forEach((each) => void each[Symbol.dispose]()),
  };
}

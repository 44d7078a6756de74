import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Distribution, distribution } from "@tercet/cli";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { grpcClient } from "./grpc-client.ts";

/**
 * One way of calling one service: over connections that are kept, by clients that make no call
 * twice.
 */
export interface Lane extends Disposable {
  readonly name: string;
  /** The n-th call. Rejects when it fails. */
  call(n: number): Promise<void>;
}

export interface LaneOptions {
  readonly orderUrl: string;
  readonly paymentUrl: string;
  /** A customer's, as it is at the moment. */
  readonly token: () => string;
  readonly sku: string;
  /** A payment of the customer's. */
  readonly paymentId: string;
  readonly onAcknowledged: (requestId: string, orderId: string) => void;
}

/** Less than a drain may take. */
const TIMEOUT_MS = 10_000;
/** Every so often an order is under way for 2 s, and may be so when its replica is told to go. */
const SLOW_ONE_IN = 5;
/** Connections of each lane over HTTP/2, so that every replica has some. */
const CONNECTIONS = 4;

/** Orders and reads of a payment, each over HTTP/1.1 and over HTTP/2. */
export function openLanes(options: LaneOptions): Lane[] {
  const { orderUrl, paymentUrl, token, sku, paymentId, onAcknowledged } = options;
  const [http1, http2] = [overHttp1(orderUrl, token), overHttp2(orderUrl)];
  const [paymentHttp1, paymentHttp2] = [overHttp1(paymentUrl, token), overHttp2(paymentUrl)];
  const orders = createClient(OrderService, http1.transport);
  const payments = createClient(PaymentService, paymentHttp1.transport);
  const anOrder = (n: number) => ({
    requestId: crypto.randomUUID() as string,
    items: [{ sku, quantity: 1 }],
    paymentMethod: { token: n % SLOW_ONE_IN === 0 ? "tok_slow" : "tok_visa" },
  });
  return [
    {
      name: "Order, HTTP/1.1",
      call: async (n) => {
        const request = anOrder(n);
        const { id } = await orders.createOrder(request, { timeoutMs: TIMEOUT_MS });
        onAcknowledged(request.requestId, id);
      },
      [Symbol.dispose]: http1[Symbol.dispose],
    },
    {
      name: "Order, gRPC",
      call: async (n) => {
        const request = anOrder(n);
        const { id } = await http2
          .client(n)
          .call(OrderService.method.createOrder, request, token());
        onAcknowledged(request.requestId, id);
      },
      [Symbol.dispose]: http2[Symbol.dispose],
    },
    {
      name: "Payment, HTTP/1.1",
      call: async () => void (await payments.getPayment({ paymentId }, { timeoutMs: TIMEOUT_MS })),
      [Symbol.dispose]: paymentHttp1[Symbol.dispose],
    },
    {
      name: "Payment, gRPC",
      call: async (n) =>
        void (await paymentHttp2
          .client(n)
          .call(PaymentService.method.getPayment, { paymentId }, token())),
      [Symbol.dispose]: paymentHttp2[Symbol.dispose],
    },
  ];
}

function overHttp1(baseUrl: string, token: () => string) {
  const agent = new Agent({ keepAlive: true });
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token()}`);
    return next(request);
  };
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    nodeOptions: { agent },
    interceptors: [authorize],
  });
  return { transport, [Symbol.dispose]: () => agent.destroy() };
}

function overHttp2(url: string) {
  const clients = Array.from({ length: CONNECTIONS }, () => grpcClient(url, TIMEOUT_MS));
  const client = (n: number) => clients[n % CONNECTIONS] as (typeof clients)[number];
  return { client, [Symbol.dispose]: () => clients.forEach((each) => void each[Symbol.dispose]()) };
}

/** What became of a lane's calls. */
export interface LaneResult {
  readonly name: string;
  readonly calls: number;
  readonly ms: Distribution;
  /** What the calls that failed ended with. */
  readonly failures: readonly string[];
}

export class LaneLog {
  readonly #name: string;
  readonly #ms: number[] = [];
  readonly #failures: string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Calls at a constant rate until the signal aborts; resolves when each has ended. */
  async run(lane: Lane, everyMs: number, signal: AbortSignal): Promise<void> {
    const calls: Promise<void>[] = [];
    for (let n = 0; !signal.aborted; n++) {
      calls.push(this.#make(() => lane.call(n)));
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
    await Promise.all(calls);
  }

  get result(): LaneResult {
    return {
      name: this.#name,
      calls: this.#ms.length,
      ms: distribution(this.#ms),
      failures: this.#failures,
    };
  }

  async #make(call: () => Promise<void>): Promise<void> {
    const started = performance.now();
    await call().catch((error: unknown) => void this.#failures.push(String(error)));
    this.#ms.push(performance.now() - started);
  }
}

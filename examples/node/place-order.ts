/** Places an order over gRPC as a new customer, and follows it until it is settled. */
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";

const identityUrl = process.env["IDENTITY_URL"] ?? "http://127.0.0.1:5010";
const orderUrl = process.env["ORDER_URL"] ?? "http://127.0.0.1:5011";

async function main(paymentToken = "tok_visa"): Promise<void> {
  const identity = createClient(IdentityService, createGrpcTransport({ baseUrl: identityUrl }));
  const account = { email: `node-${crypto.randomUUID()}@example.com`, password: "correct horse" };
  await identity.register({ ...account, displayName: "Node", requestId: crypto.randomUUID() });
  const { accessToken } = await identity.login(account);

  const transport = createGrpcTransport({
    baseUrl: orderUrl,
    interceptors: [authorize(accessToken)],
    defaultTimeoutMs: 10_000,
  });
  const orders = createClient(OrderService, transport);
  const request = {
    // Chosen once for the order: with the same id, a repetition cannot place a second one.
    requestId: crypto.randomUUID(),
    items: [{ sku: "MUG-BLUE", quantity: 2 }],
    paymentMethod: { token: paymentToken },
  };
  const { id }: Order = await repeatUnknown(() => orders.createOrder(request));
  for await (const { order } of orders.watchOrder({ orderId: id }))
    console.log(`order ${id}: ${OrderStatus[order?.status ?? 0]} ${order?.failure?.reason ?? ""}`);
}

const authorize =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };

/** A call that timed out may have had its effect: repeat it with the same id. */
async function repeatUnknown<T>(call: () => Promise<T>, attemptsLeft = 3): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const { code } = ConnectError.from(error);
    const isUnknown = code === Code.DeadlineExceeded || code === Code.Unavailable;
    if (!isUnknown || attemptsLeft === 1) throw error;
    return await repeatUnknown(call, attemptsLeft - 1);
  }
}

await main(process.argv[2]).catch((thrown: unknown) => {
  const error = ConnectError.from(thrown);
  // For programs: the reason. The text is for people, and may change.
  const reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
  console.error(`${error.message}${reason === undefined ? "" : ` (${reason})`}`);
  process.exitCode = 1;
});

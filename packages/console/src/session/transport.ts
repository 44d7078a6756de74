import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { connection } from "./connection.ts";
import { accessToken, renew, sessionState } from "./session.ts";

/** Of a unary call; streams have none. */
const TIMEOUT_MS = 15_000;

/** Sends the access token. If the service refuses it, gets a new one and repeats the call once. */
const authorize: Interceptor = (next) => async (request) => {
  const send = async () => {
    const token = await accessToken();
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return await next(request);
  };
  try {
    return await send();
  } catch (error) {
    const refused = ConnectError.from(error).code === Code.Unauthenticated;
    if (!refused || sessionState().kind !== "signed-in") throw error;
    await renew();
    return await send();
  }
};

/** Of the methods that wait for an order's outcome. The order's page follows it from then on. */
const SOONER = "600m";

/** Tells the service to return sooner than the call would end: with the order as it is by then. */
const returnSooner: Interceptor = (next) => (request) => {
  if (request.method.name === "CreateOrder" || request.method.name === "CancelOrder")
    request.header.set("grpc-timeout", SOONER);
  return next(request);
};

/** Watches whether the service can be reached. */
const observe: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    connection.succeeded();
    return response;
  } catch (error) {
    if (request.signal.aborted) throw error;
    connection.failed(ConnectError.from(error));
    throw error;
  }
};

export const transport = createGrpcWebTransport({
  baseUrl: location.origin,
  defaultTimeoutMs: TIMEOUT_MS,
  interceptors: [authorize, observe, returnSooner],
});

import { randomUUID } from "node:crypto";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
} from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { SagaService } from "@tercet/gen/order/v1/saga_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { CORRELATION_HEADER } from "@tercet/service";
import type { Addresses } from "./addresses.ts";
import { AdminError } from "./errors.ts";

/** Longer than a service waits for the outcome of an order: 10 s. */
const TIMEOUT_MS = 15_000;

/** The API as one person sees it. */
export interface Api {
  readonly identity: Client<typeof IdentityService>;
  readonly orders: Client<typeof OrderService>;
  readonly sagas: Client<typeof SagaService>;
  readonly payments: Client<typeof PaymentService>;
}

/** Returns the access token of the login, not `rejected`, which the system did not accept. */
export type AccessToken = (rejected?: string) => Promise<string>;

/** Without `accessToken`, calls carry no token. */
export function createApi(addresses: Addresses, accessToken?: AccessToken): Api {
  const transport = (baseUrl: string) =>
    createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      defaultTimeoutMs: TIMEOUT_MS,
      interceptors: [identified(baseUrl), ...(accessToken ? [authorized(accessToken)] : [])],
    });
  const order = transport(addresses.order);
  return {
    identity: createClient(IdentityService, transport(addresses.identity)),
    orders: createClient(OrderService, order),
    sagas: createClient(SagaService, order),
    payments: createClient(PaymentService, transport(addresses.payment)),
  };
}

/** Gives each call an id, and each failure that id and words. */
function identified(baseUrl: string): Interceptor {
  return (next) => async (request) => {
    const id = randomUUID();
    request.header.set(CORRELATION_HEADER, id);
    const failed = (error: unknown): never => {
      if (error instanceof AdminError) throw error;
      throw inWords(ConnectError.from(error), baseUrl, id);
    };
    const response = await next(request).catch(failed);
    if (!response.stream) return response;
    return { ...response, message: failingWith(response.message, failed) };
  };
}

async function* failingWith<T>(messages: AsyncIterable<T>, failed: (error: unknown) => never) {
  try {
    yield* messages;
  } catch (error) {
    failed(error);
  }
}

function inWords(error: ConnectError, baseUrl: string, id: string): ConnectError {
  if (!error.metadata.has(CORRELATION_HEADER)) error.metadata.set(CORRELATION_HEADER, id);
  const says = (text: string) => new ConnectError(text, error.code, error.metadata);
  const cause = error.cause as { readonly code?: string } | undefined;
  if (error.code === Code.Unavailable && cause?.code !== undefined)
    return says(`${baseUrl} cannot be reached: ${cause.code}; is it running? See --url`);
  if (error.code === Code.Unimplemented)
    return says(
      `${baseUrl} has no such method; a gateway for customers has none for operators: reach the services themselves, by TERCET_IDENTITY_URL, TERCET_ORDER_URL and TERCET_PAYMENT_URL`,
    );
  return error;
}

/** Sends the token. Calls are repeated once with a new one if the system does not accept it. */
function authorized(accessToken: AccessToken): Interceptor {
  return (next) => async (request) => {
    const token = await accessToken();
    request.header.set("authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (error) {
      if (request.stream || ConnectError.from(error).code !== Code.Unauthenticated) throw error;
      request.header.set("authorization", `Bearer ${await accessToken(token)}`);
      return await next(request);
    }
  };
}

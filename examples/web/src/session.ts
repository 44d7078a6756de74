import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { IdentityService, type TokenResponse } from "@tercet/gen/identity/v1/identity";

/** Another origin must have this page's in its CORS_ORIGINS. */
const baseUrl = import.meta.env["VITE_TERCET_URL"] ?? location.origin;
const identity = createClient(IdentityService, createConnectTransport({ baseUrl }));

/** A tab's own, and it outlives a reload; the access token does not. */
const KEY = "refresh-token";
let accessToken: string | undefined;
let refreshing: Promise<void> | undefined;
const listeners = new Set<() => void>();

export const isLoggedIn = (): boolean => sessionStorage.getItem(KEY) !== null;

/** Calls the listener when the user logs in or out, or is logged out by the server. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export async function logIn(email: string, password: string): Promise<void> {
  // Shows that this browser has logged in before: guessing by others does not delay it.
  const device = `device-token ${email.toLowerCase()}`;
  const deviceToken = localStorage.getItem(device) ?? "";
  const tokens = await identity.login({ email, password, deviceToken });
  keep(tokens);
  localStorage.setItem(device, tokens.deviceToken);
}

export async function logOut(): Promise<void> {
  const refreshToken = sessionStorage.getItem(KEY) ?? "";
  keep(undefined);
  await identity.logout({ refreshToken });
}

function keep(tokens: TokenResponse | undefined): void {
  accessToken = tokens?.accessToken;
  if (tokens === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, tokens.refreshToken);
  for (const listener of listeners) listener();
}

async function refresh(): Promise<void> {
  try {
    keep(await identity.refresh({ refreshToken: sessionStorage.getItem(KEY) ?? "" }));
  } catch (error) {
    // Only a refusal ends the session, not an error of the network.
    if (isUnauthenticated(error)) keep(undefined);
    throw error;
  } finally {
    refreshing = undefined;
  }
}

const isUnauthenticated = (e: unknown) => ConnectError.from(e).code === Code.Unauthenticated;

/** Sends the access token. When it has expired, gets a new one and repeats the call once. */
const authorize: Interceptor = (next) => async (request) => {
  const send = () => {
    if (accessToken !== undefined) request.header.set("authorization", `Bearer ${accessToken}`);
    return next(request);
  };
  try {
    return await send();
  } catch (error) {
    if (!isUnauthenticated(error) || !isLoggedIn()) throw error;
    // A refresh token is used once, so calls that fail together share one refresh.
    refreshing ??= refresh();
    await refreshing;
    return await send();
  }
};

export const transport = createConnectTransport({
  baseUrl,
  defaultTimeoutMs: 10_000,
  interceptors: [authorize],
});

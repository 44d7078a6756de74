import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Role } from "@tercet/gen/common/v1/access";
import { IdentityService, type TokenResponse } from "@tercet/gen/identity/v1/identity";
import { deviceToken, keepDeviceToken } from "./devices.ts";
import { settings } from "./settings.ts";

/** The signed-in user, as every tab of the browser knows them. */
export interface Account {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly roles: readonly Role[];
}

export type SessionState =
  | { readonly kind: "starting" }
  | { readonly kind: "signed-out" }
  | { readonly kind: "signed-in"; readonly account: Account };

interface Access {
  readonly account: Account;
  readonly token: string;
  /** By this browser's clock. */
  readonly expiresAtMs: number;
}

type Message = { readonly kind: "access"; readonly access: Access } | { readonly kind: "out" };

/** Shared by the tabs of this browser; see docs/decisions/0090. The access token is in memory. */
const REFRESH_TOKEN = "tercet.refresh-token";
/** Only one tab at a time exchanges the refresh token, which can be used once. */
const LOCK = "tercet.refresh";
const CHANNEL = "tercet.session";
/** An access token is renewed this long before it expires. */
const RENEW_BEFORE_MS = 60_000;
const RETRY_MS = 2_000;

const identity = createClient(
  IdentityService,
  createGrpcWebTransport({ baseUrl: location.origin, defaultTimeoutMs: 10_000 }),
);

const channel = new BroadcastChannel(CHANNEL);
const listeners = new Set<() => void>();
let access: Access | undefined;
let state: SessionState =
  localStorage.getItem(REFRESH_TOKEN) === null ? { kind: "signed-out" } : { kind: "starting" };
let timer: ReturnType<typeof setTimeout> | undefined;
let renewing: Promise<void> | undefined;

/** Calls the listener when the user signs in or out, in this tab or in another one. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const sessionState = (): SessionState => state;

export const hasRole = (account: Account | undefined, role: Role): boolean =>
  account?.roles.includes(role) ?? false;

/** Whether operators' pages are for this user, here. */
export const mayOperate = (account: Account | undefined): boolean =>
  settings.operators && hasRole(account, Role.OPERATOR);

export async function signIn(email: string, password: string): Promise<void> {
  adopt(await identity.login({ email, password, deviceToken: deviceToken(email) }));
}

/** Takes the tokens of a login that was made elsewhere: in the crash lab's one-click sign-in. */
export function adopt(tokens: TokenResponse): void {
  const { user, accessToken, expiresIn, refreshToken } = tokens;
  if (user === undefined || expiresIn === undefined)
    throw new ConnectError("the service returned no user", Code.Internal);
  localStorage.setItem(REFRESH_TOKEN, refreshToken);
  const { id, email, displayName, roles } = user;
  if (tokens.deviceToken !== "") keepDeviceToken(email, tokens.deviceToken);
  const fresh: Access = {
    account: { id, email, displayName, roles },
    token: accessToken,
    expiresAtMs: Date.now() + durationMs(expiresIn),
  };
  become(fresh);
  channel.postMessage({ kind: "access", access: fresh } satisfies Message);
}

export async function signOut(): Promise<void> {
  const refreshToken = localStorage.getItem(REFRESH_TOKEN);
  leave();
  channel.postMessage({ kind: "out" } satisfies Message);
  if (refreshToken !== null) await identity.logout({ refreshToken }).catch(() => {});
}

/** Resolves to an access token that is valid for now, or undefined if no one is signed in. */
export async function accessToken(): Promise<string | undefined> {
  if (state.kind === "signed-out") return undefined;
  if (access === undefined || access.expiresAtMs - Date.now() < RETRY_MS) await renew(access);
  return access?.token;
}

/** Replaces an access token that the service has refused. Callers share one exchange. */
export function renew(refused: Access | undefined = access): Promise<void> {
  renewing ??= navigator.locks
    .request(LOCK, () => exchange(refused))
    .finally(() => {
      renewing = undefined;
    });
  return renewing;
}

async function exchange(refused: Access | undefined): Promise<void> {
  // While this tab waited for the lock, another one may have done it.
  if (access !== undefined && access !== refused) return;
  const refreshToken = localStorage.getItem(REFRESH_TOKEN);
  if (refreshToken === null) return leave();
  try {
    adopt(await identity.refresh({ refreshToken }));
  } catch (error) {
    // Only a refusal ends the session: after an error of the network the token is still good.
    if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
    leave();
    channel.postMessage({ kind: "out" } satisfies Message);
  }
}

function become(next: Access): void {
  const same = state.kind === "signed-in" && state.account.id === next.account.id;
  access = next;
  clearTimeout(timer);
  timer = setTimeout(renewInTime, Math.max(0, next.expiresAtMs - Date.now() - RENEW_BEFORE_MS));
  if (same) return;
  state = { kind: "signed-in", account: next.account };
  notify();
}

function renewInTime(): void {
  renew().catch(() => {
    timer = setTimeout(renewInTime, RETRY_MS);
  });
}

function leave(): void {
  access = undefined;
  clearTimeout(timer);
  localStorage.removeItem(REFRESH_TOKEN);
  if (state.kind === "signed-out") return;
  state = { kind: "signed-out" };
  notify();
}

const notify = () => {
  for (const listener of listeners) listener();
};

channel.onmessage = ({ data }: MessageEvent<Message>) => {
  if (data.kind === "out") leave();
  else become(data.access);
};

/** Continues the session that an earlier page of this browser began. */
export function resume(): void {
  if (state.kind !== "starting") return;
  renew().catch(() => void setTimeout(resume, RETRY_MS));
}

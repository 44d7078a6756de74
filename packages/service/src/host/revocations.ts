import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { metrics } from "@opentelemetry/api";
import { jwtVerify } from "jose";
import { z } from "zod";
import { type TimedSignal, withTimeout } from "../abort.ts";
import { RequestError, reasonToConnectError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import type { TokenKeys } from "./authenticate.ts";
import type { Principal } from "./principal.ts";

/**
 * What is revoked of the tokens that have not expired: all of a session, and those of a user that
 * were issued under an older `token_version` than this one, except those of one session.
 */
export const revocationList = z.object({
  sessions: z.array(z.string()),
  users: z.array(
    z.object({
      subject: z.string(),
      tokenVersion: z.int(),
      exceptSession: z.string().optional(),
    }),
  ),
});
export type RevocationList = z.output<typeof revocationList>;

/** Resolves to the whole list, or to undefined if it is as before. */
export type RevocationSource = (signal: AbortSignal) => Promise<RevocationList | undefined>;

/** `typ` of the signed list, so that no other token passes for one. */
export const REVOCATIONS_TYPE = "revocations+jwt";
/** For how long a signed list is accepted: a newer one must not be replaced by an old one. */
const MAX_AGE_S = 60;
const CLOCK_TOLERANCE_S = 5;
const FETCH_TIMEOUT_MS = 2_000;
/** Of about 200,000 revocations. */
const MAX_LIST_BYTES = 16 * 1_048_576;

/** Returns the source that fetches the list that the issuer publishes and signs. */
export function remoteRevocations(url: string, keys: TokenKeys, issuer: string): RevocationSource {
  const expected = {
    issuer,
    typ: REVOCATIONS_TYPE,
    maxTokenAge: MAX_AGE_S,
    clockTolerance: CLOCK_TOLERANCE_S,
  };
  const verify = (token: string) =>
    typeof keys === "function"
      ? jwtVerify(token, keys, { ...expected, algorithms: ["ES256"] })
      : jwtVerify(token, keys.secret, { ...expected, algorithms: ["HS256"] });
  let etag: string | undefined;
  return async (signal) => {
    using timed = withTimeout(signal, FETCH_TIMEOUT_MS);
    const response = await fetch(url, {
      headers: { ...(etag !== undefined && { "if-none-match": etag }) },
      signal: timed.signal,
      redirect: "error",
    });
    if (response.status === 304) return undefined;
    if (!response.ok || Number(response.headers.get("content-length") ?? 0) > MAX_LIST_BYTES) {
      await response.body?.cancel();
      throw new Error(`${url} sends no usable list: status ${response.status}`);
    }
    const { payload } = await verify(await response.text());
    const list = revocationList.parse(payload["revocations"]);
    etag = response.headers.get("etag") ?? undefined;
    return list;
  };
}

/** The revocations that this process knows. */
export class Revocations {
  #sessions: ReadonlySet<string> = new Set();
  #users: ReadonlyMap<string, RevocationList["users"][number]> = new Map();
  readonly #listeners = new Set<() => void>();

  replace({ sessions, users }: RevocationList): void {
    this.#sessions = new Set(sessions);
    this.#users = new Map(users.map((user) => [user.subject, user]));
    for (const listener of this.#listeners) listener();
  }

  /** Returns whether the token with which the caller was authenticated is revoked. */
  includes({ subject, sessionId, tokenVersion = 0 }: Principal): boolean {
    if (sessionId !== undefined && this.#sessions.has(sessionId)) return true;
    const user = this.#users.get(subject);
    if (user === undefined || tokenVersion >= user.tokenVersion) return false;
    return user.exceptSession === undefined || user.exceptSession !== sessionId;
  }

  /**
   * Returns a signal that aborts with `signal`, when the caller's token expires, and when it is
   * revoked.
   */
  lifeOf(caller: Principal, signal: AbortSignal): TimedSignal {
    const revoked = new AbortController();
    const check = () => {
      if (this.includes(caller)) revoked.abort(tokenEnded());
    };
    const follow = () => revoked.abort(signal.reason);
    const stop = () => {
      this.#listeners.delete(check);
      signal.removeEventListener("abort", follow);
      timed[Symbol.dispose]();
    };
    const leftMs = Math.max(0, (caller.expiresAt ?? Number.MAX_VALUE) - performance.now());
    const timed = withTimeout(revoked.signal, Math.min(leftMs, LONGEST_TIMER_MS), tokenEnded);
    timed.signal.addEventListener("abort", stop, { once: true });
    this.#listeners.add(check);
    if (signal.aborted) follow();
    else signal.addEventListener("abort", follow, { once: true });
    check();
    return { signal: timed.signal, [Symbol.dispose]: stop };
  }
}

const LONGEST_TIMER_MS = 2_147_483_647;

const tokenEnded = () =>
  reasonToConnectError(
    new RequestError(
      "UNAUTHENTICATED",
      "the token of this stream has expired or was revoked; refresh it and call again",
    ),
    Code.Unauthenticated,
  );

/** With the issuer's own interval and two requests, half of the 5 s that are promised. */
const REVOCATIONS_INTERVAL_MS = 1_000;
const START_MS = 5_000;

export interface RevocationPoll {
  readonly source: RevocationSource;
  readonly revocations: Revocations;
  readonly log: Logger;
  readonly intervalMs?: number;
  /** For how long a list that was never known is not worth a warning. */
  readonly startMs?: number;
}

/**
 * Keeps the revocations up to date until the signal aborts; resolves then. While the source fails,
 * those that are known stay, and later ones are not known: tokens expire by themselves, within 15
 * minutes, and an outage of the issuer must not stop every service.
 */
export async function pollRevocations(
  {
    source,
    revocations,
    log,
    intervalMs = REVOCATIONS_INTERVAL_MS,
    startMs = START_MS,
  }: RevocationPoll,
  signal: AbortSignal,
): Promise<void> {
  let upToDateAt = performance.now();
  let failing = false;
  let known = false;
  const observe = (result: { observe(value: number): void }) =>
    result.observe((performance.now() - upToDateAt) / 1_000);
  const gauge = metrics
    .getMeter("@tercet/service")
    .createObservableGauge("tercet.revocations.age", {
      unit: "s",
      description: "Since the list of revocations was last known to be complete",
    });
  gauge.addCallback(observe);
  try {
    do {
      try {
        const list = await source(signal);
        if (list !== undefined) revocations.replace(list);
        upToDateAt = performance.now();
        known = true;
        if (failing) log.info({ event: "revocations_known" }, "revocations are known again");
        failing = false;
      } catch (error) {
        if (signal.aborted) return;
        const fields = { event: "revocations_unknown", err: error };
        // When a system starts, its issuer starts as well.
        if (!known && performance.now() - upToDateAt < startMs) continue;
        if (!failing) log.warn(fields, "new revocations are not known; expiry still ends tokens");
        failing = true;
      }
    } while (await pause(intervalMs, signal));
  } finally {
    gauge.removeCallback(observe);
  }
}

/** Resolves to whether the time passed without an abort. */
const pause = (ms: number, signal: AbortSignal): Promise<boolean> =>
  sleep(ms, true, { signal, ref: false }).catch(() => false);

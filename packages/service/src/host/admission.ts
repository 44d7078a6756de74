import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import type { ConnectError, ConnectRouter } from "@connectrpc/connect";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpcTimeout } from "@connectrpc/connect/protocol-grpc";
import { metrics } from "@opentelemetry/api";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  type CommonReason,
  commonErrorCodes,
  RequestError,
  reasonToConnectError,
} from "../errors.ts";
import { networkOf } from "./address.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { type DelayWatch, watchDelay } from "./delay.ts";
import type { Principal } from "./principal.ts";
import { afterRequest, refuse } from "./refusal.ts";
import { TokenBuckets } from "./token-buckets.ts";

/** Rates are calls per second; 0: no limit. Twice as many may come at once. */
export interface AdmissionLimits {
  /** Of one user. */
  readonly callerPerSecond: number;
  /** Of one address, for all its calls without a known token. */
  readonly addressPerSecond: number;
  /** This many calls may work at once, however late the event loop is. */
  readonly minWorking: number;
  /** Never more than this many. */
  readonly maxWorking: number;
}

export interface AdmissionOptions {
  readonly limits: AdmissionLimits;
  /** Returns the caller of a token that was verified before. */
  readonly knownCaller: (authorization: string | undefined) => Principal | undefined;
  /** For how long work has waited inside the service, in milliseconds. */
  readonly backlogMs: () => number;
}

/** Calls that work at once when the process starts. */
const INITIAL_WORKING = 128;
const BURST_SECONDS = 2;
/** Tokens of a call, of one that changes something, and of one for something that is not there. */
const READ_COST = 1;
const WRITE_COST = 5;
const MISS_COST = 5;
/** Calls with new tokens that are served in spite of an overload. */
const INTRODUCTIONS = { perSecond: 10, burst: 20 };
/** Open streams of one user. */
const MAX_STREAMS = 16;
const OVERLOAD_RETRY_MS = 1_000;
/** Whether a timeout is allowed is for Connect to say. */
const MAX_TIMEOUT_MS = Number.MAX_SAFE_INTEGER;

/**
 * Decides by a call's headers, before its body and its token are read, whether it is served: within
 * the rate of its caller or address, and within what the event loop keeps up with. Calls of other
 * services are never refused: they belong to sagas that have begun.
 */
export class Admission implements Disposable {
  readonly #callers: TokenBuckets;
  readonly #addresses: TokenBuckets;
  readonly #knownCaller: AdmissionOptions["knownCaller"];
  readonly #working: ConcurrencyLimit;
  readonly #introductions = new TokenBuckets(INTRODUCTIONS);
  readonly #streams = new Map<string, number>();
  readonly #watch: DelayWatch;
  readonly #refused = metrics
    .getMeter("@tercet/service")
    .createCounter("tercet.rpc.server.refused", {
      unit: "{call}",
      description: "Calls refused before their body was read, by reason",
    });

  constructor({ limits, knownCaller, backlogMs }: AdmissionOptions) {
    this.#callers = bucketsOf(limits.callerPerSecond);
    this.#addresses = bucketsOf(limits.addressPerSecond);
    const min = limits.minWorking;
    const max = Math.max(min, limits.maxWorking);
    const initial = Math.min(max, Math.max(min, INITIAL_WORKING));
    this.#working = new ConcurrencyLimit({ initial, min, max });
    this.#knownCaller = knownCaller;
    this.#watch = watchDelay({
      backlogMs,
      report: (delayMs) => this.#working.adapt(delayMs),
      isResting: () => this.#working.isResting,
    });
    // Start the series at 0, so that the first increase shows in a rate.
    for (const reason of ["RATE_LIMITED", "OVERLOADED"]) this.#refused.add(0, { reason });
  }

  /** Guards these handlers' paths. All others, health above all, stay open. */
  guard(app: FastifyInstance, handlers: ConnectRouter["handlers"]): void {
    const methods = new Map(handlers.map(({ requestPath, method }) => [requestPath, method]));
    app.addHook("onRequest", (request, reply, done) => {
      const method = methods.get(request.routeOptions.url ?? "");
      if (method === undefined) done();
      else this.#admit(method, request, reply, done);
    });
  }

  /** Counts a call that ended with `not_found`: a caller that guesses ids is soon refused. */
  missed({ subject, roles }: Principal): void {
    if (!roles.has("service")) this.#callers.charge(subject, MISS_COST);
  }

  /** Counts a stream until the signal aborts. Throws RATE_LIMITED if the caller has too many. */
  openStream({ subject, roles }: Principal, signal: AbortSignal): void {
    if (roles.has("service")) return;
    const open = this.#streams.get(subject) ?? 0;
    if (open >= MAX_STREAMS)
      throw rateLimited(OVERLOAD_RETRY_MS, `${MAX_STREAMS} of your streams are open`);
    this.#streams.set(subject, open + 1);
    signal.addEventListener("abort", () => this.#closeStream(subject), { once: true });
    if (signal.aborted) this.#closeStream(subject);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #closeStream(subject: string): void {
    const open = (this.#streams.get(subject) ?? 1) - 1;
    if (open === 0) this.#streams.delete(subject);
    else this.#streams.set(subject, open);
  }

  #admit(
    method: DescMethod,
    request: FastifyRequest,
    reply: FastifyReply,
    admitted: () => void,
  ): void {
    this.#watch.wake();
    const known = this.#knownCaller(request.headers.authorization);
    const key = known?.subject ?? networkOf(request.ip ?? "unknown");
    const { raw } = reply;
    if (known?.roles.has("service")) {
      raw.once("close", this.#working.enter(key));
      admitted();
      return;
    }
    const buckets = known === undefined ? this.#addresses : this.#callers;
    const waitMs = buckets.take(key, costOf(method));
    if (waitMs > 0) {
      const refusal = rateLimited(waitMs, "too many calls in a short time");
      this.#refuse(request, reply, refusalOf(refusal));
      return;
    }
    const applicant = {
      caller: key,
      anonymous: known === undefined,
      leftMs: deadlineOf(request),
    };
    const outcome = this.#working.apply(applicant, (leave) => {
      raw.once("close", leave);
      admitted();
    });
    if (outcome === "started") return;
    if (outcome !== "refused") raw.once("close", outcome);
    else if (known === undefined && this.#mayIntroduce(request)) {
      raw.once("close", this.#working.enter(key));
      admitted();
    } else this.#refuse(request, reply, OVERLOADED);
  }

  /** Lets a few tokens through that were not seen before, so that they become known. */
  #mayIntroduce({ headers }: FastifyRequest): boolean {
    return headers.authorization !== undefined && this.#introductions.take("", READ_COST) === 0;
  }

  #refuse(request: FastifyRequest, reply: FastifyReply, { reason, error }: AdmissionRefusal): void {
    this.#refused.add(1, { reason });
    reply.hijack();
    const headers = reply.getHeaders() as Record<string, string>;
    afterRequest(request.raw, () => refuse(request.raw, reply.raw, error, headers));
  }
}

const bucketsOf = (perSecond: number): TokenBuckets =>
  new TokenBuckets({ perSecond, burst: Math.max(WRITE_COST, perSecond * BURST_SECONDS) });

const costOf = ({ idempotency }: DescMethod): number =>
  idempotency === Idempotency.NO_SIDE_EFFECTS ? READ_COST : WRITE_COST;

const rateLimited = (retryAfterMs: number, message: string): RequestError =>
  new RequestError("RATE_LIMITED", message, {}, { retryAfterMs });

interface AdmissionRefusal {
  readonly reason: CommonReason;
  readonly error: ConnectError;
}

const refusalOf = (refusal: RequestError): AdmissionRefusal => ({
  reason: refusal.reason,
  error: reasonToConnectError(refusal, commonErrorCodes[refusal.reason]),
});

/** One for all: under an overload, making errors would be a good part of the work. */
const OVERLOADED = refusalOf(
  new RequestError(
    "OVERLOADED",
    "the service has more work than it can do in time; try again",
    {},
    { retryAfterMs: OVERLOAD_RETRY_MS },
  ),
);

/** Returns the call's timeout in milliseconds; undefined if it has none, or one that is invalid. */
function deadlineOf({ headers }: FastifyRequest): number | undefined {
  const grpc = headers["grpc-timeout"]?.toString();
  if (grpc !== undefined) return parseGrpcTimeout(grpc, MAX_TIMEOUT_MS).timeoutMs;
  const connect = headers["connect-timeout-ms"]?.toString() ?? null;
  return parseConnectTimeout(connect, MAX_TIMEOUT_MS).timeoutMs;
}

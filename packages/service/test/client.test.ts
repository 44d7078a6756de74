import { createServer } from "node:net";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { createServiceClient, type ServiceClientOptions } from "../src/client/client.ts";
import { onBehalfOf } from "../src/client/on-behalf-of.ts";
import { serviceToken } from "../src/client/service-token.ts";
import { remainingMs } from "../src/host/call.ts";
import { createLogger } from "../src/telemetry/log.ts";
import {
  catalogAt,
  gate,
  grpc,
  type Host,
  type HostSettings,
  host,
  ordersAt,
  testConfig,
  until,
} from "./harness.ts";

const ORDER_ID = "0198a5a0-0000-7000-8000-000000000001";
const never = new Promise<never>(() => {});
const unavailable = () => new ConnectError("not now", Code.Unavailable);
type ListProducts = NonNullable<NonNullable<HostSettings["catalog"]>["listProducts"]>;

let other: Host;
let calls = 0;
let list: ListProducts = () => ({});
beforeAll(async () => {
  const count: ListProducts = (request, context) => {
    calls += 1;
    return list(request, context);
  };
  other = await host({
    catalog: { listProducts: count },
    identity: { login: (_request, context) => count({} as never, context) as never },
  });
});
afterAll(() => other[Symbol.asyncDispose]());
beforeEach(() => {
  calls = 0;
  list = () => ({});
});

const options = (more: Partial<ServiceClientOptions> = {}): ServiceClientOptions => ({
  baseUrl: other.url,
  timeoutMs: 5_000,
  fastPath: testConfig().fastPath,
  ...more,
});
const catalog = (more: Partial<ServiceClientOptions> = {}) =>
  createServiceClient(CatalogService, options(more));
const codeOf = (call: Promise<unknown>): Promise<Code | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );

test("a call made while serving another one sends its correlation id and ends with it", async () => {
  const entered = gate();
  const seen: { id?: string | null; left?: number | undefined; aborted?: Promise<void> } = {};
  list = (_request, context) => {
    seen.id = context.requestHeader.get("x-correlation-id");
    seen.left = remainingMs(context);
    seen.aborted = new Promise((resolve) =>
      context.signal.addEventListener("abort", () => resolve()),
    );
    entered.open();
    return never;
  };
  await using middle = await host({
    orders: {
      getOrder: (_request, { signal }) =>
        catalog().listProducts({}, { signal, timeoutMs: 3_000 }) as never,
    },
  });
  const caller = new AbortController();
  const headers = { authorization: await middle.bearer("customer"), "x-correlation-id": "c-1" };
  const call = ordersAt(grpc(middle.url)).getOrder(
    { orderId: ORDER_ID },
    { headers, signal: caller.signal },
  );
  const outcome = codeOf(call);
  await entered.opened;
  expect(seen.id).toBe("c-1");
  expect(seen.left).toBeGreaterThan(0);
  expect(seen.left).toBeLessThanOrEqual(3_000);
  caller.abort();
  await seen.aborted;
  expect(await outcome).toBe(Code.Canceled);
});

describe("retries", () => {
  test("an idempotent call is retried until it succeeds, three attempts at most", async () => {
    list = () => {
      if (calls < 3) throw unavailable();
      return {};
    };
    await catalog().listProducts({});
    expect(calls).toBe(3);
    list = () => {
      throw unavailable();
    };
    expect(await codeOf(catalog().listProducts({}))).toBe(Code.Unavailable);
    expect(calls).toBe(6);
  });

  test("a call that is not idempotent is not retried", async () => {
    list = () => {
      throw unavailable();
    };
    const login = createServiceClient(IdentityService, options()).login({
      email: "a@b.example",
      password: "p",
    });
    expect(await codeOf(login)).toBe(Code.Unavailable);
    expect(calls).toBe(1);
  });

  test.each([Code.InvalidArgument, Code.Internal, Code.ResourceExhausted, Code.NotFound])(
    "a response with code %i is final",
    async (code) => {
      list = () => {
        throw new ConnectError("no", code);
      };
      expect(await codeOf(catalog().listProducts({}))).toBe(code);
      expect(calls).toBe(1);
    },
  );

  test("maxAttempts 1 disables retries", async () => {
    list = () => {
      throw unavailable();
    };
    expect(await codeOf(catalog({ maxAttempts: 1 }).listProducts({}))).toBe(Code.Unavailable);
    expect(calls).toBe(1);
  });

  test("stay within their budget: ten, then a tenth of the successful calls", async () => {
    const client = catalog({ maxAttempts: 2, maxInFlight: 1 });
    list = () => {
      throw unavailable();
    };
    // The breaker sees 15 failures of a minimum of 20.
    for (let i = 0; i < 15; i++) await codeOf(client.listProducts({}));
    expect(calls).toBe(15 + 10);
    list = () => ({});
    for (let i = 0; i < 19; i++) await client.listProducts({});
    calls = 0;
    list = () => {
      throw unavailable();
    };
    await codeOf(client.listProducts({}));
    await codeOf(client.listProducts({}));
    expect(calls).toBe(3);
  });
});

test("a service that is too late for one call in four gets little more than a tenth more calls", async () => {
  const client = catalog();
  const REQUESTS = 400;
  let left = 0;
  // The service itself says so: here, a limit in time would also catch calls on a busy machine.
  list = () => {
    if (calls % 4 === 0) throw new ConnectError("too late", Code.DeadlineExceeded);
    return {};
  };
  for (let at = 0; at < REQUESTS; at += 50) {
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => codeOf(client.listProducts({}))),
    );
    left += outcomes.filter((code) => code === Code.DeadlineExceeded).length;
  }
  const retries = calls - REQUESTS;
  // A tenth of what succeeded, and the ten that a client has from its start.
  expect(retries).toBeLessThanOrEqual(0.1 * REQUESTS + 10);
  expect(retries).toBeGreaterThan(20);
  expect(left).toBeGreaterThan(20);
});

describe("timeouts", () => {
  test("an attempt that hangs is cancelled, and the next one may succeed", async () => {
    list = () => (calls === 1 ? never : {});
    await catalog({ attemptTimeoutMs: 100 * inject("timeFactor") }).listProducts({});
    expect(calls).toBe(2);
  });

  test("an attempt that hangs is a deadline exceeded: unknown, not failed", async () => {
    list = () => never;
    expect(
      await codeOf(
        catalog({ attemptTimeoutMs: 100 * inject("timeFactor"), maxAttempts: 1 }).listProducts({}),
      ),
    ).toBe(Code.DeadlineExceeded);
  });

  test("the whole call has the client's timeout, or the caller's own", async () => {
    list = () => never;
    for (const call of [
      catalog({ timeoutMs: 200 }).listProducts({}),
      catalog().listProducts({}, { timeoutMs: 200 }),
    ]) {
      const started = performance.now();
      expect(await codeOf(call)).toBe(Code.DeadlineExceeded);
      expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
    }
  });

  test("a call does not wait for its token past its deadline", async () => {
    const client = catalog({
      token: () => never,
      attemptTimeoutMs: 100 * inject("timeFactor"),
      maxAttempts: 1,
    });
    expect(await codeOf(client.listProducts({}))).toBe(Code.DeadlineExceeded);
    expect(calls).toBe(0);
  });

  test("neither does a stream", async () => {
    const orders = createServiceClient(OrderService, options({ token: () => never }));
    const watch = async () => {
      for await (const _ of orders.watchOrder({ orderId: ORDER_ID }, { timeoutMs: 100 }));
    };
    expect(await codeOf(watch())).toBe(Code.DeadlineExceeded);
  });

  test("a peer that accepts the connection and sends nothing is bounded by the deadline", async () => {
    const hole = createServer(() => {});
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", resolve));
    const { port } = hole.address() as { port: number };
    const client = catalog({ baseUrl: `http://127.0.0.1:${port}`, timeoutMs: 200 });
    expect(await codeOf(client.listProducts({}))).toBe(Code.DeadlineExceeded);
    hole.close();
  });
});

describe("the breaker", () => {
  type Catalog = ReturnType<typeof catalog>;
  const guarded = (options: Partial<ServiceClientOptions> = {}) =>
    catalog({ maxAttempts: 1, halfOpenAfterMs: 200, ...options });
  const failTimes = async (client: Catalog, n: number) => {
    for (let i = 0; i < n; i++) await codeOf(client.listProducts({}));
  };

  test("opens on a service that fails, spares it, and closes when it has recovered", async () => {
    const client = guarded();
    list = () => {
      throw unavailable();
    };
    await failTimes(client, 20);
    calls = 0;
    for (let i = 0; i < 20; i++)
      expect(await codeOf(client.listProducts({}))).toBe(Code.Unavailable);
    expect(calls).toBe(0);
    list = () => ({});
    await until(async () => (await codeOf(client.listProducts({}))) === undefined);
    // Half open, it would admit one at a time.
    await Promise.all(Array.from({ length: 10 }, () => client.listProducts({})));
  });

  test("writes one line when it opens and one when it closes, with the method", async () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLogger(
      { name: "shop", level: "info" },
      { write: (line) => void lines.push(JSON.parse(line)) },
    );
    const client = guarded({ halfOpenAfterMs: 20, log });
    list = () => {
      throw unavailable();
    };
    await failTimes(client, 20);
    const opened = {
      level: "warn",
      msg: "circuit breaker opened",
      event: "circuit_breaker_opened",
      service: "shop",
      rpc_service: "order.v1.CatalogService",
      rpc_method: "order.v1.CatalogService/ListProducts",
      err: expect.objectContaining({ message: expect.stringContaining("unavailable") }),
    };
    expect(lines).toEqual([expect.objectContaining(opened)]);
    // Probes that fail keep it open.
    calls = 0;
    await until(async () => {
      await failTimes(client, 1);
      return calls > 2;
    });
    expect(lines).toHaveLength(1);
    list = () => ({});
    await until(async () => (await codeOf(client.listProducts({}))) === undefined);
    expect(lines.slice(1)).toEqual([
      expect.objectContaining({
        level: "info",
        msg: "circuit breaker closed",
        event: "circuit_breaker_closed",
        rpc_method: "order.v1.CatalogService/ListProducts",
        open_ms: expect.any(Number),
      }),
    ]);
    list = () => {
      throw unavailable();
    };
    await failTimes(client, 20);
    expect(lines.map(({ msg }) => msg)).toEqual([
      "circuit breaker opened",
      "circuit breaker closed",
      "circuit breaker opened",
    ]);
  });

  test("opens on connections that are reset, and not on a service that returns aborted", async () => {
    const resetting = createServer((socket) => void socket.resetAndDestroy());
    await new Promise<void>((resolve) => resetting.listen(0, "127.0.0.1", resolve));
    const { port } = resetting.address() as { port: number };
    const reset = guarded({ baseUrl: `http://127.0.0.1:${port}`, halfOpenAfterMs: 60_000 });
    for (let i = 0; i < 20; i++) expect(await codeOf(reset.listProducts({}))).toBe(Code.Aborted);
    expect(await codeOf(reset.listProducts({}))).toBe(Code.Unavailable);
    resetting.close();
    const busy = guarded();
    list = () => {
      throw new ConnectError("a concurrent change", Code.Aborted);
    };
    for (let i = 0; i < 40; i++) expect(await codeOf(busy.listProducts({}))).toBe(Code.Aborted);
    expect(calls).toBe(40);
  });

  test("lets a call through again after one to two seconds", async () => {
    const client = catalog({ maxAttempts: 1 });
    list = () => {
      throw unavailable();
    };
    await failTimes(client, 20);
    const opened = performance.now();
    list = () => ({});
    await until(async () => (await codeOf(client.listProducts({}))) === undefined);
    expect(performance.now() - opened).toBeGreaterThan(950);
    expect(performance.now() - opened).toBeLessThan(2_500 * inject("timeFactor"));
    await client.listProducts({});
  });

  test("stays closed on failures that are about the request", async () => {
    const client = guarded();
    list = () => {
      throw new ConnectError("no such thing", Code.NotFound);
    };
    for (let i = 0; i < 40; i++) expect(await codeOf(client.listProducts({}))).toBe(Code.NotFound);
    expect(calls).toBe(40);
  });

  test("stays closed on short deadlines of callers, which say nothing about the service", async () => {
    const client = guarded();
    list = () => never;
    const outcomes = Array.from({ length: 40 }, () =>
      codeOf(client.listProducts({}, { timeoutMs: 50 })),
    );
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set([Code.DeadlineExceeded]));
    list = () => ({});
    await client.listProducts({});
  });

  test("opens on a service that does not respond within the whole timeout", async () => {
    const client = guarded({ timeoutMs: 200, halfOpenAfterMs: 60_000 });
    list = () => never;
    await Promise.all(Array.from({ length: 20 }, () => codeOf(client.listProducts({}))));
    list = () => ({});
    expect(await codeOf(client.listProducts({}))).toBe(Code.Unavailable);
  });
});

describe("failures of one customer's calls", () => {
  const REASONED = (code: Code, reason: string) =>
    new ConnectError("no", code, undefined, [{ desc: ErrorInfoSchema, value: { reason } }]);
  const fails = async (client: ReturnType<typeof catalog>, calls: number, ...keys: string[]) => {
    for (let i = 0; i < calls; i++)
      await codeOf(client.listProducts({}, { contextValues: onBehalfOf(...keys) }));
  };
  const isOpen = async (client: ReturnType<typeof catalog>) => {
    list = () => ({});
    return (await codeOf(client.listProducts({}))) !== undefined;
  };

  test.each([
    [Code.Unavailable, "PROVIDER_UNAVAILABLE"],
    [Code.Aborted, "PROVIDER_REFUSED"],
    [Code.ResourceExhausted, "RATE_LIMITED"],
  ])(
    "a reply that gives a reason of its own, %s, never opens the breaker",
    async (code, reason) => {
      const client = catalog({ maxAttempts: 1 });
      list = () => {
        throw REASONED(code, reason);
      };
      await fails(client, 60);
      expect(await isOpen(client)).toBe(false);
    },
  );

  test.each(["OVERLOADED", "UNAVAILABLE", "INTERNAL"])(
    "the reason %s says that the service is unwell: it opens the breaker",
    async (reason) => {
      const client = catalog({ maxAttempts: 1 });
      list = () => {
        throw REASONED(Code.Unavailable, reason);
      };
      await fails(client, 20);
      expect(await isOpen(client)).toBe(true);
    },
  );

  test("timeouts and defects of one customer, or of one card, do not open the breaker", async () => {
    const client = catalog({ maxAttempts: 1 });
    list = () => {
      throw REASONED(Code.Internal, "INTERNAL");
    };
    await fails(client, 60, "customer");
    for (let i = 0; i < 60; i++) await fails(client, 1, `customer ${i}`, "card");
    expect(await isOpen(client)).toBe(false);
  });

  test("those of many customers do", async () => {
    const client = catalog({ maxAttempts: 1 });
    list = () => {
      throw REASONED(Code.Internal, "INTERNAL");
    };
    for (let i = 0; i < 20; i++) await fails(client, 1, `customer ${i}`);
    expect(await isOpen(client)).toBe(true);
  });
});

describe("the bulkhead", () => {
  test("one customer's calls that get no reply leave room for another's", async () => {
    const silent = new AbortController();
    list = (_request, { requestHeader }) => (requestHeader.has("x-silent") ? never : {});
    const client = catalog({ maxInFlight: 16, maxQueued: 64, maxAttempts: 1 });
    const ended = Array.from({ length: 60 }, () =>
      codeOf(
        client.listProducts(
          {},
          {
            headers: { "x-silent": "1" },
            contextValues: onBehalfOf("silent"),
            signal: silent.signal,
          },
        ),
      ),
    );
    await until(() => calls === 2);
    await client.listProducts({}, { contextValues: onBehalfOf("other") });
    expect(calls).toBe(3);
    silent.abort();
    await Promise.all(ended);
  });

  test("admits maxInFlight calls, queues maxQueued, and refuses the rest at once", async () => {
    const release = gate();
    list = async () => {
      await release.opened;
      return {};
    };
    const client = catalog({ maxInFlight: 2, maxQueued: 3 });
    const outcomes = Array.from({ length: 7 }, () => codeOf(client.listProducts({})));
    expect(await Promise.all(outcomes.slice(5))).toEqual([Code.Unavailable, Code.Unavailable]);
    await until(() => calls === 2);
    release.open();
    expect(await Promise.all(outcomes.slice(0, 5))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(calls).toBe(5);
  });

  test("a queued call ends at its deadline and is never sent", async () => {
    const release = gate();
    list = async () => {
      await release.opened;
      return {};
    };
    const client = catalog({ maxInFlight: 1, maxQueued: 5, maxAttempts: 1 });
    const first = client.listProducts({});
    const started = performance.now();
    expect(await codeOf(client.listProducts({}, { timeoutMs: 100 }))).toBe(Code.DeadlineExceeded);
    expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
    release.open();
    await first;
    await client.listProducts({});
    expect(calls).toBe(2);
  });
});

describe("serviceToken", () => {
  let identity: Host;
  let issued = 0;
  let lifeMs = 600_000;
  let issue: () => Promise<void> = async () => {};
  beforeAll(async () => {
    identity = await host({
      identity: {
        issueServiceToken: async () => {
          issued += 1;
          await issue();
          return {
            accessToken: `token-${issued}`,
            tokenType: "Bearer",
            expiresIn: durationFromMs(lifeMs),
          };
        },
      },
    });
  });
  afterAll(() => identity[Symbol.asyncDispose]());
  beforeEach(() => {
    issued = 0;
    lifeMs = 600_000;
    issue = async () => {};
  });
  const tokens = () =>
    serviceToken({
      identityUrl: identity.url,
      clientId: "order",
      clientSecret: "sixteen-characters",
      audience: "payment",
    });
  const failing = async () => {
    throw unavailable();
  };

  test("fetches once for all callers that wait, and keeps the token", async () => {
    const token = tokens();
    expect(issued).toBe(0);
    expect(new Set(await Promise.all(Array.from({ length: 20 }, token)))).toEqual(
      new Set(["token-1"]),
    );
    expect(await token()).toBe("token-1");
    expect(issued).toBe(1);
  });

  test("renews a token that is due while it is still in use", async () => {
    lifeMs = 1_000;
    const renewed = gate();
    const token = tokens();
    await token();
    issue = () => renewed.opened;
    await until(async () => {
      expect(await token()).toBe("token-1");
      return issued === 2;
    });
    expect(await token()).toBe("token-1");
    renewed.open();
    await until(async () => (await token()) === "token-2");
  });

  test("an outage at renewal has no effect before the token expires", async () => {
    lifeMs = 1_000;
    const token = tokens();
    await token();
    const got = performance.now();
    issue = failing;
    await until(async () => {
      const current = await token().catch(() => "none");
      if (current !== "none") return false;
      expect(performance.now() - got).toBeGreaterThan(900);
      return true;
    });
    expect(issued).toBeGreaterThan(1);
    issue = async () => {};
    expect(await token()).toMatch(/^token-/);
  });

  test("retries an issue that fails: the method is idempotent", async () => {
    issue = async () => {
      if (issued < 3) throw unavailable();
    };
    expect(await tokens()()).toBe("token-3");
    expect(issued).toBe(3);
  });

  test("does not retry refused credentials", async () => {
    issue = async () => {
      throw new ConnectError("wrong secret", Code.Unauthenticated);
    };
    await expect(tokens()()).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(issued).toBe(1);
  });

  test("forgets a failure", async () => {
    const token = tokens();
    issue = failing;
    await expect(token()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(issued).toBe(3);
    issue = async () => {};
    expect(await token()).toBe("token-4");
  });

  test("is sent with the call", async () => {
    let seen: string | null = "";
    list = (_request, context) => {
      seen = context.requestHeader.get("authorization");
      return {};
    };
    await catalog({ token: async () => "abc" }).listProducts({});
    expect(seen).toBe("Bearer abc");
    await catalogAt(grpc(other.url)).listProducts({});
    expect(seen).toBeNull();
  });
});

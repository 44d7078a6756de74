import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { errors, exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { testTokens } from "../testing.ts";
import { createAuthenticate, remoteKeys, type TokenKeys } from "./authenticate.ts";
import { Revocations } from "./revocations.ts";

const issuer = "http://issuer.test";
const policy = { issuer, audiences: ["tercet", "shop"] };
const REFUSAL = {
  reason: "UNAUTHENTICATED",
  message: "a valid bearer token is required",
  metadata: {},
};
const now = () => Math.floor(Date.now() / 1000);

const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };

const claims = () => ({
  sub: "user-1",
  roles: ["customer"],
  iss: issuer,
  aud: "tercet",
  jti: "j",
  iat: now(),
  exp: now() + 600,
});
const header = { alg: "ES256", typ: "at+jwt", kid: "k1" };
const sign = (
  payload: object,
  protectedHeader: object = header,
  key: Parameters<SignJWT["sign"]>[0] = privateKey,
) => new SignJWT(payload as never).setProtectedHeader(protectedHeader as never).sign(key);
const without = (name: string) =>
  Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name));

describe("createAuthenticate with a published key", () => {
  let authenticate: ReturnType<typeof createAuthenticate>;
  beforeAll(async () => {
    const { createLocalJWKSet } = await import("jose");
    authenticate = createAuthenticate(createLocalJWKSet({ keys: [jwk] }), policy);
  });

  test("a valid token yields its caller", async () => {
    expect(await authenticate(`Bearer ${await sign(claims())}`)).toMatchObject({
      subject: "user-1",
      roles: new Set(["customer"]),
    });
    expect(
      await authenticate(`bearer ${await sign({ ...claims(), aud: ["x", "shop"] })}`),
    ).toMatchObject({ subject: "user-1" });
  });

  const spki = () => exportSPKI(publicKey).then((pem) => new TextEncoder().encode(pem));
  const hostile: Record<string, () => string | null | Promise<string | null>> = {
    "no header": () => null,
    "an empty header": () => "",
    "a bare scheme": () => "Bearer ",
    "another scheme": async () => `Basic ${await sign(claims())}`,
    "no scheme": () => sign(claims()),
    "two tokens": async () => `Bearer ${await sign(claims())}, Bearer ${await sign(claims())}`,
    "white space inside": async () => `Bearer ${(await sign(claims())).replace(".", " .")}`,
    nonsense: () => "Bearer a.b.c",
    "more than 8 KiB": async () => `Bearer ${await sign({ ...claims(), pad: "x".repeat(8_192) })}`,
    expired: async () =>
      `Bearer ${await sign({ ...claims(), iat: now() - 700, exp: now() - 100 })}`,
    "not yet valid": async () => `Bearer ${await sign({ ...claims(), nbf: now() + 60 })}`,
    "issued in the future": async () =>
      `Bearer ${await sign({ ...claims(), iat: now() + 60, exp: now() + 660 })}`,
    "valid for too long": async () => `Bearer ${await sign({ ...claims(), exp: now() + 901 })}`,
    "valid for ever": async () =>
      `Bearer ${await sign({ ...claims(), exp: Number.MAX_SAFE_INTEGER })}`,
    "issued long ago": async () =>
      `Bearer ${await sign({ ...claims(), iat: now() - 1_000, exp: now() + 10 })}`,
    "exp as text": async () => `Bearer ${await sign({ ...claims(), exp: "2099" as never })}`,
    "another audience": async () => `Bearer ${await sign({ ...claims(), aud: "payment" })}`,
    "another issuer": async () => `Bearer ${await sign({ ...claims(), iss: "http://evil.test" })}`,
    "an id token": async () => `Bearer ${await sign(claims(), { ...header, typ: "JWT" })}`,
    "no type": async () => `Bearer ${await sign(claims(), { alg: "ES256", kid: "k1" })}`,
    "no kid": async () => `Bearer ${await sign(claims(), { alg: "ES256", typ: "at+jwt" })}`,
    "an unknown kid": async () =>
      `Bearer ${await sign(claims(), { ...header, kid: "../../etc/passwd" })}`,
    "another's key": async () =>
      `Bearer ${await sign(claims(), header, (await generateKeyPair("ES256")).privateKey)}`,
    "a key of its own": async () => `Bearer ${await sign(claims(), { ...header, kid: "k2", jwk })}`,
    "no roles": async () => `Bearer ${await sign(without("roles"))}`,
    "roles as text": async () => `Bearer ${await sign({ ...claims(), roles: "admin" })}`,
    "17 roles": async () =>
      `Bearer ${await sign({ ...claims(), roles: Array.from({ length: 17 }, String) })}`,
    "alg none": () => `Bearer ${new UnsecuredJWT(claims()).encode()}`,
    "alg nOnE": () =>
      `Bearer ${[{ ...header, alg: "nOnE" }, claims()].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`,
    "HS256 with the public key": async () =>
      `Bearer ${await sign(claims(), { ...header, alg: "HS256" }, await spki())}`,
    RS256: async () =>
      `Bearer ${await sign(claims(), { ...header, alg: "RS256" }, (await generateKeyPair("RS256")).privateKey)}`,
    "a changed payload": async () => {
      const [head, , signature] = (await sign(claims())).split(".");
      return `Bearer ${head}.${Buffer.from(JSON.stringify({ ...claims(), roles: ["admin"] })).toString("base64url")}.${signature}`;
    },
  };

  test.each(Object.entries(hostile))("refused with the same message: %s", async (_name, make) => {
    await expect(authenticate(await make())).rejects.toMatchObject(REFUSAL);
  });

  test.each(["sub", "iss", "aud", "jti", "iat", "exp"])("refused: no %s", async (name) => {
    await expect(authenticate(`Bearer ${await sign(without(name))}`)).rejects.toMatchObject(
      REFUSAL,
    );
  });

  test("refused: any other string", async () => {
    const part = fc
      .oneof(fc.json(), fc.string())
      .map((text) => Buffer.from(text).toString("base64url"));
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        await expect(authenticate(`Bearer ${parts.join(".")}`)).rejects.toMatchObject(REFUSAL);
      }),
      { numRuns: 200 },
    );
  });
});

test("with a shared secret only HS256 is accepted", async () => {
  const secret = new TextEncoder().encode("a secret of thirty-two characters");
  const authenticate = createAuthenticate({ secret }, policy);
  const head = { alg: "HS256", typ: "at+jwt" };
  expect(await authenticate(`Bearer ${await sign(claims(), head, secret)}`)).toMatchObject({
    subject: "user-1",
  });
  const other = new TextEncoder().encode("another secret of 32 characters..");
  await expect(authenticate(`Bearer ${await sign(claims(), head, other)}`)).rejects.toMatchObject(
    REFUSAL,
  );
  await expect(authenticate(`Bearer ${await sign(claims())}`)).rejects.toMatchObject(REFUSAL);
  await expect(
    authenticate(`Bearer ${await sign(claims(), { ...head, alg: "HS512" }, secret)}`),
  ).rejects.toMatchObject(REFUSAL);
});

test("test tokens are accepted, and an expired one is not", async () => {
  const { keys, sign: make } = await testTokens();
  const authenticate = createAuthenticate(keys, policy);
  await authenticate(`Bearer ${await make({ sub: "a", roles: [] })}`);
  await expect(
    authenticate(`Bearer ${await make({ sub: "a", roles: [], expiresIn: -10 })}`),
  ).rejects.toMatchObject(REFUSAL);
});

test("a revoked token is refused, also one that is cached as valid", async () => {
  const secret = new TextEncoder().encode("a secret of thirty-two characters");
  const revocations = new Revocations();
  const authenticate = createAuthenticate({ secret }, policy, revocations);
  const head = { alg: "HS256", typ: "at+jwt" };
  const token = `Bearer ${await sign({ ...claims(), sid: "s-1", token_version: 2 }, head, secret)}`;
  expect(await authenticate(token)).toMatchObject({ sessionId: "s-1", tokenVersion: 2 });
  revocations.replace({ sessions: ["s-1"], users: [] });
  await expect(authenticate(token)).rejects.toMatchObject(REFUSAL);
  revocations.replace({ sessions: [], users: [{ subject: "user-1", tokenVersion: 3 }] });
  await expect(authenticate(token)).rejects.toMatchObject(REFUSAL);
  revocations.replace({ sessions: [], users: [] });
  await authenticate(token);
});

describe("a repeated token", () => {
  const bearer = async (lifetime: number) =>
    `Bearer ${await sign({ ...claims(), exp: now() + lifetime })}`;
  let looked: number;
  let withdrawn: boolean;
  let authenticate: ReturnType<typeof createAuthenticate>;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    looked = 0;
    withdrawn = false;
    authenticate = createAuthenticate(() => {
      looked += 1;
      if (withdrawn) throw new errors.JWKSNoMatchingKey();
      return publicKey;
    }, policy);
  });
  afterEach(() => void vi.useRealTimers());

  test("is verified once in 30 s", async () => {
    const token = await bearer(600);
    const first = await authenticate(token);
    vi.advanceTimersByTime(29_000);
    expect(await authenticate(token)).toEqual(first);
    expect(looked).toBe(1);
    vi.advanceTimersByTime(2_000);
    expect(await authenticate(token)).toEqual(first);
    expect(looked).toBe(2);
  });

  test("is refused once it has expired", async () => {
    const token = await bearer(10);
    await authenticate(token);
    vi.advanceTimersByTime(14_000);
    await authenticate(token);
    vi.advanceTimersByTime(2_000);
    await expect(authenticate(token)).rejects.toMatchObject(REFUSAL);
  });

  test("is refused 30 s after its key was revoked", async () => {
    const token = await bearer(600);
    await authenticate(token);
    withdrawn = true;
    vi.advanceTimersByTime(31_000);
    await expect(authenticate(token)).rejects.toMatchObject(REFUSAL);
  });

  test("is verified again if one letter differs", async () => {
    const token = await bearer(600);
    await authenticate(token);
    const at = token.length - 40;
    const other = token[at] === "A" ? "B" : "A";
    await expect(
      authenticate(token.slice(0, at) + other + token.slice(at + 1)),
    ).rejects.toMatchObject(REFUSAL);
  });

  test("that was refused is verified each time", async () => {
    const token = `Bearer ${await sign({ ...claims(), aud: "payment" })}`;
    for (let i = 0; i < 2; i++) await expect(authenticate(token)).rejects.toMatchObject(REFUSAL);
    expect(looked).toBe(2);
  });
});

describe("remoteKeys", () => {
  let server: Server;
  let url: string;
  let fetches: number;
  let reply: () => { status: number; body: string };

  beforeEach(async () => {
    fetches = 0;
    reply = () => ({ status: 200, body: JSON.stringify({ keys: [jwk] }) });
    server = createServer((_request, response) => {
      fetches += 1;
      const { status, body } = reply();
      response
        .writeHead(status, { "content-type": "application/json", connection: "close" })
        .end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  });
  afterEach(() => {
    vi.useRealTimers();
    server.close();
  });
  const down = () => new Promise((resolve) => server.close(resolve));
  const withKeys = (keys: TokenKeys) => createAuthenticate(keys, policy);
  const good = async () => `Bearer ${await sign(claims())}`;
  const unknown = async (kid: string) => `Bearer ${await sign(claims(), { ...header, kid })}`;

  test("are fetched once for concurrent calls", async () => {
    const authenticate = withKeys(remoteKeys(url));
    expect(fetches).toBe(0);
    const token = await good();
    await Promise.all(Array.from({ length: 50 }, () => authenticate(token)));
    await authenticate(token);
    expect(fetches).toBe(1);
  });

  test("are not fetched for each unknown kid", async () => {
    const authenticate = withKeys(remoteKeys(url));
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, i) => unknown(`k-${i}`)));
    for (const half of [tokens.slice(0, 25), tokens.slice(25)]) {
      const outcomes = await Promise.allSettled(half.map(authenticate));
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: "rejected", reason: REFUSAL });
    }
    expect(fetches).toBe(1);
  });

  test("unavailable, with the cause, if they cannot be fetched; requests to the issuer are limited", async () => {
    reply = () => ({ status: 200, body: "" });
    server.removeAllListeners("request");
    server.on("request", (request) => {
      fetches += 1;
      request.socket.destroy();
    });
    const authenticate = withKeys(remoteKeys(url));
    const token = await good();
    for (let i = 0; i < 20; i++) {
      await expect(authenticate(token)).rejects.toMatchObject({
        reason: "UNAVAILABLE",
        retryAfterMs: 1_000,
        cause: expect.anything(),
      });
    }
    expect(fetches).toBe(1);
  });

  test("unavailable if the issuer does not listen", async () => {
    await down();
    await expect(withKeys(remoteKeys(url))(await good())).rejects.toMatchObject({
      reason: "UNAVAILABLE",
    });
  });

  test.each([
    [500, "{}"],
    [200, "<html>"],
    [200, "[]"],
    [200, '{"keys":7}'],
  ])("a response of %i %s is the fault of the issuer: unavailable", async (status, body) => {
    reply = () => ({ status, body });
    const authenticate = withKeys(remoteKeys(url));
    for (let n = 0; n < 20; n++)
      await expect(authenticate(await good())).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    // Also before the first success, and whatever the status: one request a second.
    expect(fetches).toBeLessThan(3);
  });

  test("remain valid while the issuer is down, for at least a quarter of an hour, and not for ever", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    const authenticate = withKeys(remoteKeys(url));
    await authenticate(await good());
    await down();
    vi.advanceTimersByTime(19 * 60_000);
    await authenticate(await good());
    // An unknown kid needs the issuer.
    await expect(authenticate(await unknown("k-new"))).rejects.toMatchObject({
      reason: "UNAVAILABLE",
    });
    vi.advanceTimersByTime(2 * 60_000);
    await expect(authenticate(await good())).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("are refreshed in the background, so that a removed key stops working", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    const authenticate = withKeys(remoteKeys(url));
    await authenticate(await good());
    reply = () => ({ status: 200, body: JSON.stringify({ keys: [{ ...jwk, kid: "k2" }] }) });
    vi.advanceTimersByTime(6 * 60_000);
    await authenticate(await good());
    await vi.waitFor(() => expect(fetches).toBe(2));
    await vi.waitFor(async () => expect(authenticate(await good())).rejects.toMatchObject(REFUSAL));
    await authenticate(await unknown("k2"));
  });
});
afterAll(() => vi.useRealTimers());

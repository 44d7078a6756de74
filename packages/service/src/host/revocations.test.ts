import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Logger } from "../telemetry/log.ts";
import {
  pollRevocations,
  REVOCATIONS_TYPE,
  type RevocationList,
  Revocations,
  remoteRevocations,
} from "./revocations.ts";

const issuer = "http://issuer.test";
const caller = (changes: object = {}) => ({
  subject: "user-1",
  roles: new Set(["customer"]),
  sessionId: "session-1",
  tokenVersion: 3,
  expiresAt: performance.now() + 600_000,
  ...changes,
});
const none: RevocationList = { sessions: [], users: [] };

describe("Revocations", () => {
  test.each<[string, Partial<RevocationList>, boolean]>([
    ["of nothing", {}, false],
    ["of its session", { sessions: ["session-0", "session-1"] }, true],
    ["of another session", { sessions: ["session-2"] }, false],
    ["of its user's older tokens", { users: [{ subject: "user-1", tokenVersion: 4 }] }, true],
    ["of tokens older than it", { users: [{ subject: "user-1", tokenVersion: 3 }] }, false],
    ["of another user", { users: [{ subject: "user-2", tokenVersion: 9 }] }, false],
    [
      "of all sessions but its own",
      { users: [{ subject: "user-1", tokenVersion: 4, exceptSession: "session-1" }] },
      false,
    ],
    [
      "of all sessions but another",
      { users: [{ subject: "user-1", tokenVersion: 4, exceptSession: "session-2" }] },
      true,
    ],
  ])("%s", (_, list, revoked) => {
    const revocations = new Revocations();
    revocations.replace({ ...none, ...list });
    expect(revocations.includes(caller())).toBe(revoked);
  });

  test("a token without a version is older than every revocation of its user", () => {
    const revocations = new Revocations();
    revocations.replace({ sessions: [], users: [{ subject: "user-1", tokenVersion: 1 }] });
    const old = { subject: "user-1", roles: new Set<string>() };
    expect(revocations.includes(old)).toBe(true);
    const kept = { sessions: [], users: [{ subject: "user-1", tokenVersion: 1 }] };
    revocations.replace(kept);
    expect(revocations.includes({ ...old, sessionId: undefined })).toBe(true);
  });
});

describe("the life of a stream's token", () => {
  const ended = { rawMessage: expect.stringContaining("has expired or was revoked") };

  test("ends when it is revoked, then or before", () => {
    const revocations = new Revocations();
    const life = revocations.lifeOf(caller(), new AbortController().signal);
    revocations.replace({ ...none, sessions: ["session-2"] });
    expect(life.signal.aborted).toBe(false);
    revocations.replace({ ...none, sessions: ["session-1"] });
    expect(life.signal.reason).toMatchObject(ended);
    const late = revocations.lifeOf(caller(), new AbortController().signal);
    expect(late.signal.reason).toMatchObject(ended);
  });

  test("ends when the token expires", async () => {
    const token = caller({ expiresAt: performance.now() + 50 });
    const { signal } = new Revocations().lifeOf(token, new AbortController().signal);
    await vi.waitFor(() => expect(signal.reason).toMatchObject(ended));
  });

  test("ends with the call, and leaves nothing behind", () => {
    const revocations = new Revocations();
    const call = new AbortController();
    const life = revocations.lifeOf(caller(), call.signal);
    const other = revocations.lifeOf(caller(), new AbortController().signal);
    call.abort("gone");
    other[Symbol.dispose]();
    expect(life.signal.aborted).toBe(true);
    revocations.replace({ ...none, sessions: ["session-1"] });
    expect(other.signal.aborted).toBe(false);
  });
});

describe("the published list", () => {
  const list: RevocationList = { sessions: ["session-1"], users: [] };
  let server: Server;
  let url: string;
  let reply: () => Promise<{ status: number; body: string }>;
  let asked: (string | undefined)[];
  const keyPair = generateKeyPair("ES256");
  const sign = async (
    { typ = REVOCATIONS_TYPE, iss = issuer, agoS = 0 } = {},
    revocations: unknown = list,
    key?: CryptoKey,
  ) =>
    new SignJWT({ revocations })
      .setProtectedHeader({ alg: "ES256", typ, kid: "k1" })
      .setIssuer(iss)
      .setIssuedAt(Math.floor(Date.now() / 1000) - agoS)
      .sign(key ?? (await keyPair).privateKey);
  const source = async () => {
    const jwk = { ...(await exportJWK((await keyPair).publicKey)), kid: "k1", alg: "ES256" };
    return remoteRevocations(url, createLocalJWKSet({ keys: [jwk] }), issuer);
  };
  const { signal } = new AbortController();

  beforeEach(async () => {
    asked = [];
    reply = async () => ({ status: 200, body: await sign() });
    server = createServer(async (request, response) => {
      const { "if-none-match": etag } = request.headers;
      asked.push(etag);
      const { status, body } = etag === '"1"' ? { status: 304, body: "" } : await reply();
      response.writeHead(status, { etag: '"1"', connection: "close" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/revocations`;
  });
  afterEach(() => void server.close());

  test("is read once, then only asked whether it has changed", async () => {
    const fetchList = await source();
    expect(await fetchList(signal)).toEqual(list);
    expect(await fetchList(signal)).toBeUndefined();
    expect(asked).toEqual([undefined, '"1"']);
  });

  test.each<[string, () => Promise<string>]>([
    ["of another type", () => sign({ typ: "at+jwt" })],
    ["of another issuer", () => sign({ iss: "http://elsewhere.test" })],
    ["from an hour ago", () => sign({ agoS: 3_600 })],
    [
      "signed by another key",
      async () => sign({}, list, (await generateKeyPair("ES256")).privateKey),
    ],
    ["of another form", () => sign({}, { sessions: "all" })],
    ["that is no token", async () => "[]"],
  ])("%s is not believed", async (_, make) => {
    reply = async () => ({ status: 200, body: await make() });
    await expect((await source())(signal)).rejects.toThrow();
  });

  test.each([
    ["once", 0, ["revocations_unknown", "revocations_known"]],
    ["not at all while the system starts", 60_000, []],
  ])(
    "that cannot be fetched leaves what is known, and is logged %s",
    async (_, startMs, logged) => {
      const revocations = new Revocations();
      revocations.replace(list);
      const lines: unknown[] = [];
      const keep = ({ event }: { event: string }) => void lines.push(event);
      const log = { info: keep, warn: keep } as unknown as Logger;
      let calls = 0;
      const stopping = new AbortController();
      const polled = pollRevocations(
        {
          revocations,
          log,
          intervalMs: 1,
          startMs,
          source: async () => {
            calls += 1;
            if (calls < 4) throw new Error("down");
            return calls === 4 ? none : undefined;
          },
        },
        stopping.signal,
      );
      expect(revocations.includes(caller())).toBe(true);
      await vi.waitFor(() => expect(revocations.includes(caller())).toBe(false));
      stopping.abort();
      await polled;
      expect(lines).toEqual(logged);
    },
  );
});

import { randomUUID } from "node:crypto";
import { hash as argon2 } from "@node-rs/argon2";
import { connectPostgres, type Sql } from "@tercet/service";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { accountKey } from "../src/user.ts";
import { bearer, type Harness, newAccount, refusal, startIdentity } from "./harness.ts";

let identity: Harness;
let client: Harness["client"];
let sql: Sql;
beforeAll(async () => {
  identity = await startIdentity();
  ({ client } = identity);
  sql = connectPostgres(identity.databaseUrl, { max: 1 });
});
afterAll(async () => {
  await sql.end();
  await identity[Symbol.asyncDispose]();
});

async function newUser() {
  const account = newAccount();
  const user = await client.register(account);
  return { ...account, id: user.id };
}
const fail = (email: string) => refusal(client.login({ email, password: "wrong password" }));
/** As if `seconds` had gone by since the account's last attempt. */
const passTime = (email: string, seconds: number) => sql`
  update login_failures set last_time = last_time - ${seconds}::int * interval '1 second', blocked_until = blocked_until - ${seconds}::int * interval '1 second'
  where account like ${`${accountKey(email)}%`}`;

describe("Login", () => {
  test("knows an address in any case", async () => {
    const account = await newUser();
    expect((await client.login({ ...account, email: account.email.toUpperCase() })).user?.id).toBe(
      account.id,
    );
  });

  test("fails alike for an unknown address and a wrong password", async () => {
    const { email } = await newUser();
    const wrong = await fail(email);
    expect(wrong).toMatchObject({ code: "Unauthenticated", reason: "INVALID_CREDENTIALS" });
    expect(await fail(`${randomUUID()}@example.com`)).toEqual(wrong);
    expect(await fail("' or 1=1 --")).toEqual(wrong);
  });

  test("takes equally long for both", async () => {
    const { email } = await newUser();
    const time = async (address: string) => {
      const start = performance.now();
      await fail(address);
      return performance.now() - start;
    };
    const [known, unknown]: [number[], number[]] = [[], []];
    for (let n = 0; n < 5; n++) {
      known.push(await time(email));
      unknown.push(await time(`${randomUUID()}@example.com`));
    }
    const median = (times: number[]) => times.toSorted((a, b) => a - b)[2] ?? 0;
    // Without the decoy hash an unknown address is answered ten times as fast.
    expect(median(unknown)).toBeGreaterThan(median(known) / 2);
  });

  test("keeps the hash up to date", async () => {
    const account = await newUser();
    await sql`update users set password_hash = ${await argon2(account.password, { memoryCost: 4_096, timeCost: 1 })} where id = ${account.id}`;
    await client.login(account);
    const [row] = await sql<
      { passwordHash: string }[]
    >`select password_hash from users where id = ${account.id}`;
    expect(row?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    await client.login(account);
  });

  test("logs no personal data and no secrets", async () => {
    const account = await newUser();
    const { accessToken, refreshToken } = await client.login(account);
    await fail(account.email);
    await client.refresh({ refreshToken });
    const log = identity.lines.join("");
    expect(log).toContain(account.id);
    for (const secret of [
      account.email,
      account.password,
      "wrong password",
      account.displayName,
      accessToken,
      refreshToken,
    ]) {
      expect(log).not.toContain(secret);
    }
  });
});

/** A client whose calls come from this address, as a proxy says. */
const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

describe("a known device", () => {
  const guessFrom = async (email: string, address: string, count: number) => {
    const refusals = [];
    for (let n = 0; n < count; n++)
      refusals.push(
        await refusal(client.login({ email, password: "wrong password" }, from(address))),
      );
    return refusals;
  };

  test("gets through while others guess, at its own address too", async () => {
    const account = await newUser();
    const { deviceToken } = await client.login(account);
    for (let round = 0; round < 3; round++) {
      const guesses = await guessFrom(account.email, "127.0.0.1", 8);
      expect(guesses.at(-1)).toMatchObject({ reason: "RATE_LIMITED" });
      await client.login({ ...account, deviceToken });
    }
    expect(await refusal(client.login(account))).toMatchObject({ reason: "RATE_LIMITED" });
  });

  test("has a limit of its own, and an unknown token is no device", async () => {
    const account = await newUser();
    const { deviceToken } = await client.login(account);
    const other = await client.login(await newUser());
    const [name = "", mac = ""] = deviceToken.split(".");
    const forged = [other.deviceToken, `${name}.`, `${mac}.${name}`, "x.y", "."];
    await guessFrom(account.email, "127.0.0.1", 6);
    for (const token of forged)
      expect(await refusal(client.login({ ...account, deviceToken: token }))).toMatchObject({
        reason: "RATE_LIMITED",
      });
    const guess = { ...account, password: "wrong password", deviceToken };
    for (let n = 0; n < 5; n++)
      expect(await refusal(client.login(guess))).toMatchObject({ reason: "INVALID_CREDENTIALS" });
    expect(await refusal(client.login({ ...account, deviceToken }))).toMatchObject({
      reason: "RATE_LIMITED",
    });
  });

  test("is unknown once the password is new", async () => {
    const account = await newUser();
    const { deviceToken } = await client.login(account);
    await sql`update users set password_hash = ${await argon2("another password")} where id = ${account.id}`;
    await guessFrom(account.email, "127.0.0.1", 6);
    const login = { ...account, password: "another password", deviceToken };
    expect(await refusal(client.login(login))).toMatchObject({ reason: "RATE_LIMITED" });
  });
});

describe("limits by address", () => {
  let limited: Harness;
  beforeAll(async () => {
    limited = await startIdentity({
      TRUSTED_PROXIES: "127.0.0.1",
      LOGIN_FAILURES_PER_ADDRESS: "10",
      LOGIN_FAILURES_IN_ALL: "60",
      REGISTRATIONS_PER_ADDRESS: "3",
      REGISTRATIONS_IN_ALL: "8",
    });
  });
  afterAll(() => limited[Symbol.asyncDispose]());
  const spray = async (address: string, count: number) => {
    const started = performance.now();
    const refusals = await Promise.all(
      Array.from({ length: count }, () =>
        refusal(
          limited.client.login(
            { email: `${randomUUID()}@example.com`, password: "Password1" },
            from(address),
          ),
        ).then((refused) => ({ ...refused, afterMs: performance.now() - started })),
      ),
    );
    const limit = refusals.filter(({ reason }) => reason === "RATE_LIMITED");
    return { checked: refusals.length - limit.length, limit };
  };
  const register = (address: string, email?: string) =>
    limited.client.register(newAccount(email === undefined ? {} : { email }), from(address));

  test("stop one address that tries many accounts, at once, and no other address", async () => {
    const account = newAccount();
    await limited.client.register(account, from("203.0.113.1"));
    const { checked, limit } = await spray("203.0.113.9", 100);
    expect(checked).toBe(10);
    expect(limit[0]?.retryAfter).toBeGreaterThan(800);
    // Refused without the database, while ten others wait for a core.
    const [fastest = Number.POSITIVE_INFINITY] = limit.map(({ afterMs }) => afterMs).sort();
    expect(fastest).toBeLessThan(1_000 * inject("timeFactor"));
    const { deviceToken } = await limited.client.login(account, from("203.0.113.1"));
    expect(await refusal(limited.client.login(account, from("203.0.113.9")))).toMatchObject({
      reason: "RATE_LIMITED",
    });
    await limited.client.login({ ...account, deviceToken }, from("203.0.113.9"));
  });

  test("an attacker at one address does not delay the owner at another", async () => {
    const account = newAccount();
    await limited.client.register(account, from("203.0.113.2"));
    for (let n = 0; n < 9; n++)
      await refusal(
        limited.client.login({ ...account, password: "wrong password" }, from("203.0.113.3")),
      );
    await limited.client.login(account, from("203.0.113.2"));
  });

  test("successes are not counted", async () => {
    const account = newAccount();
    await limited.client.register(account, from("203.0.113.4"));
    for (let n = 0; n < 15; n++) await limited.client.login(account, from("203.0.113.4"));
  });

  test("stop all addresses together", async () => {
    let checked = 0;
    for (let n = 20; n < 30; n++) checked += (await spray(`203.0.113.${n}`, 9)).checked;
    expect(checked).toBeLessThanOrEqual(60);
    expect((await spray("203.0.113.77", 1)).limit).toHaveLength(1);
  });

  test("stop registrations too, also of addresses that are taken", async () => {
    const taken = newAccount();
    await limited.client.register(taken, from("203.0.113.50"));
    for (let n = 0; n < 2; n++)
      expect(await refusal(register("203.0.113.50", taken.email))).toMatchObject({
        reason: "EMAIL_TAKEN",
      });
    const refused = await refusal(register("203.0.113.50"));
    expect(refused).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refused.retryAfter).toBeGreaterThan(3_000);
    const more = await Promise.allSettled(
      Array.from({ length: 9 }, (_, n) => register(`203.0.113.${60 + n}`)),
    );
    expect(more.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
  });
});

test("what a client says of its address counts only if a trusted proxy passes it on", async () => {
  await using direct = await startIdentity({ LOGIN_FAILURES_PER_ADDRESS: "2" });
  const guess = (address: string) =>
    refusal(direct.client.login({ email: "a@example.com", password: "guess" }, from(address)));
  const refusals = [];
  for (let n = 0; n < 3; n++) refusals.push((await guess(`203.0.113.${n}`)).reason);
  expect(refusals).toEqual(["INVALID_CREDENTIALS", "INVALID_CREDENTIALS", "RATE_LIMITED"]);
});

test("300 logins at once: those that find no place in the queue are refused before the database", async () => {
  await using busy = await startIdentity({ PASSWORD_QUEUE: "10" });
  const refusals = await Promise.all(
    Array.from({ length: 300 }, () =>
      refusal(busy.client.login({ email: `${randomUUID()}@example.com`, password: "whatever" })),
    ),
  );
  const refused = refusals.filter(({ reason }) => reason === "OVERLOADED");
  expect(refused.length).toBeGreaterThan(150);
  const remembered = connectPostgres(busy.databaseUrl, { max: 1 });
  const [{ accounts } = { accounts: 0 }] = await remembered<
    { accounts: number }[]
  >`select count(*)::int as accounts from login_failures where account not like '%:%'`;
  await remembered.end();
  expect(accounts).toBe(300 - refused.length);
});

describe("guessing", () => {
  test("is refused after five failures, for the right password too, with a retry delay", async () => {
    const account = await newUser();
    for (let n = 0; n < 5; n++)
      expect(await fail(account.email)).toMatchObject({ reason: "INVALID_CREDENTIALS" });
    const refused = await refusal(client.login(account));
    expect(refused).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refused.retryAfter).toBeGreaterThan(0);
    expect(refused.retryAfter).toBeLessThanOrEqual(10);
  });

  test("of unknown addresses is counted too", async () => {
    const email = `${randomUUID()}@example.com`;
    for (let n = 0; n < 5; n++) await fail(email);
    expect(await fail(email)).toMatchObject({ reason: "RATE_LIMITED" });
  });

  test("concurrently is counted too", async () => {
    const { email } = await newUser();
    const refused = await Promise.all(Array.from({ length: 12 }, () => fail(email)));
    expect(refused.filter(({ reason }) => reason === "INVALID_CREDENTIALS")).toHaveLength(5);
  });

  test("locks no account: after a minute the right password works", async () => {
    const account = await newUser();
    for (let n = 0; n < 20; n++) {
      await passTime(account.email, 60);
      await fail(account.email);
    }
    const { retryAfter } = await refusal(client.login(account));
    expect(retryAfter).toBeGreaterThan(30);
    expect(retryAfter).toBeLessThanOrEqual(60);
    await passTime(account.email, 60);
    await client.login(account);
    expect(await fail(account.email)).toMatchObject({ reason: "INVALID_CREDENTIALS" });
  });

  test("is reset by a success", async () => {
    const account = await newUser();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 4; n++) await fail(account.email);
      await client.login(account);
    }
  });

  test("is counted across replicas, and the address is not stored", async () => {
    const { email } = await newUser();
    for (let n = 0; n < 5; n++) await fail(email);
    await using replica = await startIdentity({ DATABASE_URL: identity.databaseUrl });
    expect(
      await refusal(replica.client.login({ email, password: "wrong password" })),
    ).toMatchObject({ reason: "RATE_LIMITED" });
    const rows = await sql`select * from login_failures`;
    expect(JSON.stringify(rows)).not.toContain("@");
  });
});

test("a login that finds no core and no place in the queue is refused, and not counted as a guess", async () => {
  await using busy = await startIdentity({ PASSWORD_QUEUE: "0" });
  const account = newAccount();
  await busy.client.register(account);
  const others = Array.from({ length: 200 }, () =>
    busy.client.login({ email: `${randomUUID()}@example.com`, password: "whatever" }),
  );
  const refusals = await Promise.all(others.map((call) => refusal(call)));
  expect(refusals.filter(({ reason }) => reason === "OVERLOADED").length).toBeGreaterThan(0);
  expect(refusals.find(({ reason }) => reason === "OVERLOADED")).toMatchObject({
    code: "Unavailable",
    retryAfter: 1,
  });
  const remembered = connectPostgres(busy.databaseUrl, { max: 1 });
  const [{ counted } = { counted: 0 }] = await remembered<
    { counted: number }[]
  >`select sum(failures)::int as counted from login_failures where account not like '%:%'`;
  await remembered.end();
  expect(counted).toBe(refusals.filter(({ reason }) => reason === "INVALID_CREDENTIALS").length);
  const { accessToken } = await busy.client.login(account);
  await busy.client.getMe({}, bearer(accessToken));
});

import { randomUUID } from "node:crypto";
import { hash as argon2 } from "@node-rs/argon2";
import { connectPostgres, type Sql } from "@tercet/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
  where account = ${accountKey(email)}`;

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
  >`select sum(failures)::int as counted from login_failures`;
  await remembered.end();
  expect(counted).toBe(refusals.filter(({ reason }) => reason === "INVALID_CREDENTIALS").length);
  const { accessToken } = await busy.client.login(account);
  await busy.client.getMe({}, bearer(accessToken));
});

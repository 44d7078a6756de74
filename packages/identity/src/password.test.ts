import { hash as argon2 } from "@node-rs/argon2";
import { beforeAll, describe, expect, test } from "vitest";
import { createPasswords, type Passwords } from "./password.ts";

let passwords: Passwords;
beforeAll(async () => {
  passwords = await createPasswords({ queue: 10 });
});

test("a hash is argon2id with OWASP's parameters, and salted", async () => {
  const hash = await passwords.hash("correct horse");
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await passwords.hash("correct horse")).not.toBe(hash);
});

test("a password matches its hash, and no other does", async () => {
  const hash = await passwords.hash("correct horse");
  expect(await passwords.verify("correct horse", hash)).toEqual({ matches: true });
  expect(await passwords.verify("correct horsf", hash)).toEqual({ matches: false });
});

test("without a hash nothing matches", async () => {
  expect(await passwords.verify("", undefined)).toEqual({ matches: false });
});

test("one password typed on two keyboards is one password", async () => {
  const hash = await passwords.hash("caf\u00e9 caf\u00e9");
  expect(await passwords.verify("cafe\u0301 cafe\u0301", hash)).toEqual({ matches: true });
});

describe("a hash with outdated parameters", () => {
  test.each([
    { memoryCost: 4_096, timeCost: 2 },
    { memoryCost: 19_456, timeCost: 1 },
    { memoryCost: 19_456, timeCost: 2, algorithm: 1 as const },
  ])("with %j is replaced when its password is there", async (parameters) => {
    const old = await argon2("correct horse", parameters);
    const { matches, rehash } = await passwords.verify("correct horse", old);
    expect(matches).toBe(true);
    expect(await passwords.verify("correct horse", rehash)).toEqual({ matches: true });
    expect(await passwords.verify("wrong", old)).toEqual({ matches: false });
  });
});

describe("under load", () => {
  test("work that is admitted has its place from the start; other work is not begun", async () => {
    const small = await createPasswords({ concurrency: 1, queue: 2 });
    let begun = 0;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () =>
        small.admit(async () => {
          begun++;
          return await small.hash("correct horse");
        }),
      ),
    );
    expect(begun).toBe(3);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect(outcomes[4]).toMatchObject({ reason: { reason: "OVERLOADED" } });
  });

  test("a call that does not fit into the queue is refused at once, with a retry delay", async () => {
    const small = await createPasswords({ concurrency: 1, queue: 2 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => small.hash("correct horse")),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    expect(outcomes[4]).toMatchObject({
      reason: { reason: "OVERLOADED", retryAfterMs: expect.any(Number) },
    });
  });

  test("the queue is in order", async () => {
    const small = await createPasswords({ concurrency: 1, queue: 3 });
    const finished: number[] = [];
    await Promise.all(
      [1, 2, 3, 4].map((n) => small.hash("correct horse").then(() => finished.push(n))),
    );
    expect(finished).toEqual([1, 2, 3, 4]);
  });

  test("a cancelled call computes no hash and does not delay the others", async () => {
    const small = await createPasswords({ concurrency: 1, queue: 3 });
    const caller = new AbortController();
    const first = small.hash("correct horse");
    const second = small.hash("correct horse", caller.signal);
    const third = small.hash("correct horse");
    caller.abort(new Error("the caller gave up"));
    await expect(second).rejects.toThrow("the caller gave up");
    expect(await Promise.all([first, third])).toHaveLength(2);
  });
});

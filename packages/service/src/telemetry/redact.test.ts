import { describe, expect, test } from "vitest";
import { redact, redactText, SECRET_FIELDS, type SECRET_TEXTS } from "./redact.ts";

test.each(SECRET_FIELDS)("a field named %s is redacted in any spelling", (field) => {
  const name = field.replace("_?", "_");
  const camel = name.replace(/_(.)/, (_, letter: string) => letter.toUpperCase());
  for (const key of [name, camel, `user_${name}`, `x-${name}`, name.toUpperCase()])
    expect(redact({ [key]: "canary" })).toEqual({ [key]: "[redacted]" });
});

test("the cheap test finds each kind of text too", () => {
  const examples: Record<keyof typeof SECRET_TEXTS, string> = {
    credentials: "amqp://me:secret@host",
    authorization: "Basic c2VjcmV0OnNlY3JldA==",
    jwt: "eyJhbGciOiJFUzI1NiJ9",
    paymentToken: "tok_x",
    email: "a@b.example",
    card: "4111 1111 1111 1111",
  };
  for (const text of Object.values(examples))
    expect(redactText(`so ${text} it is`)).toMatch(/^so .*\[redacted\].* it is$/);
});

describe("redactText", () => {
  test.each([
    ["paid with 4111111111111111 today", "paid with [redacted] today"],
    ["4111 1111 1111 1111", "[redacted]"],
    ["card:4111-1111-1111-1111.", "card:[redacted]."],
    ['{"n":"378282246310005"}', '{"n":"[redacted]"}'],
    ["Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "Bearer [redacted]"],
    ["the token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln is old", "the token [redacted] is old"],
    ["no such token tok_visa_1", "no such token [redacted]"],
    ["Key (email)=(ada.l+x@mail.example.com) exists", "Key (email)=([redacted]) exists"],
    [
      "connect postgres://order:hunter2@db:5432/orders",
      "connect postgres://[redacted]@db:5432/orders",
    ],
  ])("%j becomes %j", (text, clean) => {
    expect(redactText(text)).toBe(clean);
  });

  test.each([
    // Its check digit is wrong.
    "4111111111111112",
    "0198a5a0-0000-7000-8000-000000000001",
    "11111111-1111-4111-8111-111111111111",
    "2026-11-22T16:50:48.123Z",
    "1000000000000",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "at run (/app/node_modules/.pnpm/@connectrpc+connect@2.2.0_@bufbuild+protobuf@2.17.0/node_modules/x.js:12:34)",
    "http://127.0.0.1:5010/.well-known/jwks.json",
    "token expired",
  ])("%j is not redacted", (text) => {
    expect(redactText(text)).toBe(text);
  });
});

test("text is redacted at any depth", () => {
  expect(
    redact({ err: { message: "4111111111111111", causes: ["tok_visa"] }, subject: "a@b.example" }),
  ).toEqual({
    err: { message: "[redacted]", causes: ["[redacted]"] },
    subject: "[redacted]",
  });
});

import { expect, test } from "vitest";
import { accountKey, normalizeEmail } from "./user.ts";

test.each([
  ["Alice@Example.COM", "alice@example.com"],
  ["jose\u0301@example.com", "jos\u00e9@example.com"],
  ["JOSE\u0301@example.com", "jos\u00e9@example.com"],
  ["\u0130@example.com", "i\u0307@example.com"],
])("%s is the account %s", (typed, email) => {
  expect(normalizeEmail(typed)).toBe(email);
  expect(normalizeEmail(normalizeEmail(typed))).toBe(email);
  expect(accountKey(typed)).toBe(accountKey(email));
});

test("an account's key does not contain the address", () => {
  expect(accountKey("alice@example.com")).toMatch(/^[0-9a-f]{64}$/);
  expect(accountKey("alice@example.com")).not.toBe(accountKey("alice@example.org"));
});

import { expect, test } from "vitest";
import { VerifiedTokens } from "./verified-tokens.ts";

const MINUTE_MS = 60_000;
const caller = (subject: string) => ({ subject, roles: new Set(["customer"]) });

test("evicts the oldest when it is full", () => {
  const tokens = new VerifiedTokens(2);
  for (const name of ["a", "b", "c"]) tokens.add(name, caller(name), MINUTE_MS);
  expect(["a", "b", "c"].map((name) => tokens.find(name)?.subject)).toEqual([undefined, "b", "c"]);
});

test("does not return an expired token", () => {
  const tokens = new VerifiedTokens();
  tokens.add("a", caller("a"), -1);
  expect(tokens.find("a")).toBeUndefined();
});

test("recalls whose token it was when it is no longer valid, to tell callers apart", () => {
  const tokens = new VerifiedTokens();
  tokens.add("a", caller("a"), -1);
  expect(tokens.recall("a")?.subject).toBe("a");
  expect(tokens.recall("b")).toBeUndefined();
});

import { expect, test } from "vitest";
import { VerifiedTokens } from "./verified-tokens.ts";

const MINUTE_MS = 60_000;
const caller = (subject: string) => ({ subject, roles: new Set(["customer"]) });

test("keeps as many as it may: the oldest makes room", () => {
  const tokens = new VerifiedTokens(2);
  for (const name of ["a", "b", "c"]) tokens.add(name, caller(name), MINUTE_MS);
  expect(["a", "b", "c"].map((name) => tokens.find(name)?.subject)).toEqual([undefined, "b", "c"]);
});

test("one that is good no longer is not kept", () => {
  const tokens = new VerifiedTokens();
  tokens.add("a", caller("a"), -1);
  expect(tokens.find("a")).toBeUndefined();
});

import { expect, test } from "vitest";
import { hashRefreshToken, newRandom, successorOf } from "./refresh-token.ts";

test("a token is 256 bits in base64url, and unique", () => {
  const tokens = Array.from({ length: 100 }, newRandom);
  expect(new Set(tokens).size).toBe(100);
  for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

test("a successor is computed from its token and nonce, and from no others", () => {
  const [token, nonce] = [newRandom(), newRandom()];
  const successor = successorOf(token, nonce);
  expect(successor).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(successorOf(token, nonce)).toBe(successor);
  expect(successorOf(newRandom(), nonce)).not.toBe(successor);
  expect(successorOf(token, newRandom())).not.toBe(successor);
  expect(successorOf(hashRefreshToken(token), nonce)).not.toBe(successor);
});

import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { repeatAsAsked } from "./load.ts";

const refusal = new ConnectError("try again", Code.Unavailable, { "retry-after": "0" });
const broken = new ConnectError("aborted", Code.Unavailable);
const signal = AbortSignal.timeout(10_000);

/** Fails with each of these, then returns the number of calls. */
function failing(...errors: readonly Error[]): () => Promise<number> {
  let count = 0;
  return async () => {
    const error = errors[count++];
    if (error !== undefined) throw error;
    return count;
  };
}

test("a refusal that says when to try again is followed, and counted", async () => {
  expect(await repeatAsAsked(failing(refusal, refusal), signal)).toEqual({
    result: 3,
    refusals: [refusal, refusal],
  });
  expect(await repeatAsAsked(failing(), signal)).toEqual({ result: 1, refusals: [] });
});

test("a call that is refused three times has failed, and one that breaks fails at once", async () => {
  const refused = failing(refusal, refusal, refusal);
  await expect(repeatAsAsked(refused, signal)).rejects.toBe(refusal);
  const breaking = failing(refusal, broken);
  await expect(repeatAsAsked(breaking, signal)).rejects.toBe(broken);
});

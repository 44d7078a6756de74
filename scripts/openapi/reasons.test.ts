import { expect, test } from "vitest";
import { splitReasons } from "./reasons.ts";

test("the reasons of a comment become a list, and the rest is its text", () => {
  const comment = [
    "Waits for the outcome until the caller's deadline and returns",
    " the order. Idempotent.",
    "",
    " Reasons:",
    " - UNKNOWN_SKU (invalid_argument)",
    " - PRICE_CHANGED (failed_precondition; metadata `expected_minor_units`,",
    "   `total_minor_units`): the total is not",
    "   `expected_total`",
  ].join("\n");
  expect(splitReasons(comment)).toEqual({
    text: "Waits for the outcome until the caller's deadline and returns\nthe order. Idempotent.",
    reasons: [
      { reason: "UNKNOWN_SKU", code: "invalid_argument", when: "" },
      {
        reason: "PRICE_CHANGED",
        code: "failed_precondition",
        when: "the total is not `expected_total`",
      },
    ],
  });
});

test("a comment without reasons is its text", () => {
  expect(splitReasons("Lists users.")).toEqual({ text: "Lists users.", reasons: [] });
});

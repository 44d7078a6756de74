import { expect, test } from "vitest";
import { lostVectors } from "./golden.ts";

const filled = { what: "every field", hex: "0802", json: { quantity: 2 } };
const empty = { what: "nothing", hex: "", json: {} };

test("vectors may be added, and are in another order", () => {
  expect(
    lostVectors({ "a.v1.Item": [filled] }, { "a.v1.Item": [empty, filled], "a.v1.Order": [empty] }),
  ).toEqual([]);
});

test("a vector that changed is lost", () => {
  expect(
    lostVectors(
      { "a.v1.Item": [empty, filled] },
      { "a.v1.Item": [empty, { ...filled, hex: "1002" }] },
    ),
  ).toEqual(['a.v1.Item no longer has {"what":"every field","hex":"0802","json":{"quantity":2}}']);
});

test("so are those of a message that is gone", () => {
  expect(lostVectors({ "a.v1.Item": [empty] }, {})).toEqual([
    'a.v1.Item no longer has {"what":"nothing","hex":"","json":{}}',
  ]);
});

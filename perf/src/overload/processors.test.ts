import { expect, test } from "vitest";
import { parseList } from "./processors.ts";

test.each([
  ["0-1", [0, 1]],
  ["0,2-3", [0, 2, 3]],
  ["7", [7]],
  ["", []],
] as const)("the list %j of processors", (list, expected) => {
  expect(parseList(list)).toEqual(expected);
});

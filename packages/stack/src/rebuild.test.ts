import { expect, test } from "vitest";
import { usersOfPackages } from "./rebuild.ts";

test("a change of a package restarts each service that is made from it, directly or not", () => {
  expect(Object.fromEntries(usersOfPackages())).toMatchObject({
    order: ["order"],
    saga: ["order"],
    group: ["order", "payment"],
    service: ["identity", "order", "payment"],
    wire: ["identity", "order", "payment"],
  });
});

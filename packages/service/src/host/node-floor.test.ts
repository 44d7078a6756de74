import { expect, test } from "vitest";
import { StartError } from "../config.ts";
import { requireNode } from "./node-floor.ts";

test.each(["24.14.1", "24.21.0", "25.0.0", "100.1.0"])("Node %s may run a service", (version) => {
  expect(() => requireNode(version)).not.toThrow();
});

test.each(["20.19.0", "22.22.0", "24.0.0", "24.14.0"])("Node %s may not", (version) => {
  expect(() => requireNode(version)).toThrow(StartError);
  expect(() => requireNode(version)).toThrow(
    `Node ${version} is too old: requests can stop it; run this service with Node 24.14.1 or later`,
  );
});

test("the Node that runs our tests may run a service", () => requireNode());

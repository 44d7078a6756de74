import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, type ServiceEntry, services } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { places } from "../services/places.ts";
import { placeProblems, protoProblems } from "./services.ts";

const texts = new Map(
  await Promise.all(
    places.map(async ({ file }) => [file, await readFile(join(ROOT, file), "utf8")] as const),
  ),
);
const [, order] = services;
const changed = (file: string, from: string, to: string) => {
  const text = texts.get(file) ?? "";
  expect(text).toContain(from);
  return new Map([...texts, [file, text.replace(from, to)]]);
};

test("every place names every service", () => {
  expect(placeProblems(texts)).toEqual([]);
});

test("what lacks a service is named, with its file", () => {
  for (const [file, text] of texts) {
    const problemsWithout = (entry: ServiceEntry) => {
      const without = text
        .replaceAll(entry.name, "another")
        .replaceAll(entry.name.toUpperCase(), "ANOTHER");
      return placeProblems(new Map([...texts, [file, without]]), [entry]);
    };
    // Some files have lines only for services that call others.
    expect(
      services.flatMap(problemsWithout).map((problem) => problem.split(" ")[0]),
      file,
    ).toContain(file);
  }
});

test.each([
  ["infra/compose.yaml", 'PORT: "5011"', 'PORT: "5019"', 'services.order.environment.PORT: "5011"'],
  [
    "infra/compose.yaml",
    "PAYMENT_URL: http://payment:5012",
    "PAYMENT_URL: http://payment:5019",
    "services.order.environment.PAYMENT_URL: http://payment:5012",
  ],
  ["charts/tercet/values.yaml", "port: 5011", "port: 5019", "order.port: 5011"],
  [
    "charts/tercet/values.yaml",
    "healthService: order.v1.OrderService",
    "healthService: order.v1.Orders",
    "order.healthService: order.v1.OrderService",
  ],
  [
    "charts/tercet/values.yaml",
    "callers: [kong, order, payment, tercet-test]",
    "callers: [kong, payment, tercet-test]",
    "identity.networkPolicy.callers: order",
  ],
])("a value in %s that contradicts the list is named: %s", (file, from, to, problem) => {
  expect(placeProblems(changed(file, from, to), [order])).toEqual([
    `${file} lacks for order: ${problem}`,
  ]);
});

test("a proto service that is not in the list is named, and one that is in no proto", () => {
  const proto =
    'syntax = "proto3";\npackage order.v1;\nservice OrderService {}\nservice Extra {}\n';
  const entries: ServiceEntry[] = [
    { ...order, protoServices: ["order.v1.OrderService", "order.v1.Gone"] },
  ];
  expect(protoProblems(new Map([["proto/order/v1/order_service.proto", proto]]), entries)).toEqual([
    "packages/cli/src/services.ts lacks order.v1.Extra, which is in proto/",
    "packages/cli/src/services.ts names order.v1.Gone, which is not in proto/",
  ]);
});

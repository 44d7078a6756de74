import { expect, test } from "vitest";
import { docProblems } from "./docs.ts";

const files = (text: string) =>
  new Map([
    ["docs/a.md", text],
    ["docs/b.md", ""],
    ["infra/k8s/base/order.yaml", ""],
    ["package.json", '{"scripts": {"chaos": "", "new": ""}}'],
    ["scripts/templates/service/package/src/widget.ts", ""],
    [
      "scripts/templates/service/proto/acme_service.proto",
      "package acme.v1;\nservice AcmeService {\n  rpc GetWidget() {}\n}",
    ],
    [
      "proto/a/v1/a.proto",
      "package a.v1;\nservice AService {\n  rpc Get(GetRequest) returns (A) {}\n}\n",
    ],
    ["packages/x/y.test.ts", 'test("it works", () => {}); test("it works too", () => {});'],
  ]);

test.each([
  "[b](b.md), [x](../packages/x/), [elsewhere](https://example.com/c.md), [part](b.md#part)",
  '`packages/x/y.test.ts` › "it works"; "it works too" (really)',
  "`packages/x/y.test.ts`, `x/y.test.ts`, `y.test.ts`, `infra/k8s/base/`, `infra/k8s/*/order.{yaml,yml}`",
  "`packages/x/dist/main.js`, `/health/ready`, `order.v1`, `a.b`; ```\ninfra/not/there.ts\n```",
  "`pnpm new service shop --resource shelf`: `packages/shop/src/shelf.ts`, `proto/shop/v1/shop_service.proto`, shop.v1.ShopService/GetShelf",
  "`call a.v1.AService/Get`, `pnpm chaos rolling`, `pnpm deploy --prod`",
])("nothing is wrong with %s", (text) => {
  expect(docProblems(files(text))).toEqual([]);
});

test.each([
  ["[c](c.md)", "docs/a.md: there is no c.md"],
  ["`packages/x/z.ts`", "docs/a.md: there is no packages/x/z.ts"],
  ["`z.ts`, and `z.ts` again", "docs/a.md: there is no z.ts"],
  ["`infra/k8s/{bases,base}/*.yml`", "docs/a.md: there is no infra/k8s/{bases,base}/*.yml"],
  ["`infra/k8s/bases/`", "docs/a.md: there is no infra/k8s/bases"],
  ["a.v1.AService/Set", "docs/a.md: there is no a.v1.AService/Set"],
  ["a.v1.BService/Get", "docs/a.md: there is no a.v1.BService/Get"],
  ["b.v1.AService/Get", "docs/a.md: there is no b.v1.AService/Get"],
  [
    "`pnpm new service shop --resource shelf`: `packages/shop/src/book.ts`",
    "docs/a.md: there is no scripts/templates/service/package/src/book.ts",
  ],
  ["`pnpm caos`", "docs/a.md: there is no pnpm caos"],
  ['`packages/x/z.test.ts` › "it works"', "docs/a.md: there is no packages/x/z.test.ts"],
  [
    '`packages/x/y.test.ts` › "it works"; "it does not"',
    'docs/a.md: packages/x/y.test.ts has no test "it does not"',
  ],
])("%s", (text, problem) => {
  expect(docProblems(files(text))).toEqual([problem]);
});

import { describe, expect, test } from "vitest";
import { importProblems, specifiers } from "./import-rules.ts";

const problems = (path: string, text: string) => importProblems(new Map([[path, text]]));

describe("specifiers", () => {
  test.each([
    ['import a from "x";'],
    ['import "x";'],
    ['import type { A } from "x";'],
    ['import {\n  a,\n  b,\n} from "x";'],
    ['export * from "x";'],
    ['export { a } from "x";'],
    ['export type { A } from "x";'],
    ['const a = await import("x");'],
    ["const a = await import(`x`);"],
    ['type A = import("x").A;'],
    ['const a = <T>(one: T): import("x").A<T> => one;'],
  ])("%s", (text) => expect(specifiers("a.ts", text)).toEqual(["x"]));

  test("not in comments and strings", () => {
    expect(specifiers("a.ts", `// import "x";\nconst a = 'import b from "x"';\n`)).toEqual([]);
  });
});

describe("allowed", () => {
  test.each([
    ["packages/order/src/main.ts", 'import { a } from "./order-service.ts";'],
    [
      "packages/order/src/routes.ts",
      'import { a } from "@tercet/service"; import { b } from "@tercet/saga"; import { c } from "@tercet/gen/order/v1/order";',
    ],
    ["packages/order/test/harness.ts", 'import { a } from "../src/index.ts";'],
    ["packages/service/src/host/access.ts", 'import { a } from "@tercet/gen/common/v1/access";'],
    [
      "packages/stack/src/services.ts",
      'import "@tercet/identity"; import "@tercet/order"; import "@tercet/payment";',
    ],
    ["packages/saga/test/fixture.ts", 'import { testDatabase } from "@tercet/service/testing";'],
    ["packages/payment/src/domain.ts", 'import { a } from "./domain.ts";'],
    ["scripts/generate.ts", 'import { a } from "../infra/checks/chart-files.ts";'],
    ["scripts/access.ts", 'import { a } from "@tercet/cli/repository";'],
  ])("%s: %s", (path, text) => expect(problems(path, text)).toEqual([]));
});

describe("forbidden", () => {
  test.each([
    ["a service imports another", "packages/order/src/routes.ts", "@tercet/payment"],
    ["also for a type", "packages/payment/src/routes.ts", "@tercet/identity"],
    ["a test of a service imports another", "packages/order/test/order.test.ts", "@tercet/payment"],
    ["service imports a business package", "packages/service/src/host.ts", "@tercet/order"],
    ["service imports saga", "packages/service/src/host.ts", "@tercet/saga"],
    ["saga imports service", "packages/saga/src/engine.ts", "@tercet/service"],
    [
      "saga imports testing outside tests",
      "packages/saga/src/engine.ts",
      "@tercet/service/testing",
    ],
    ["saga imports gen", "packages/saga/src/engine.ts", "@tercet/gen/order/v1/order"],
    ["a service imports the stack", "packages/identity/src/main.ts", "@tercet/stack"],
    ["the stack imports its tests", "packages/stack/src/stack.ts", "@tercet/e2e"],
    ["what commands share imports the stack", "packages/cli/src/table.ts", "@tercet/stack"],
    ["proof imports perf", "packages/proof/chaos/src/storm.ts", "@tercet/perf"],
    ["the audit imports chaos", "packages/proof/audit/src/main.ts", "@tercet/chaos"],
    ["infra imports scripts", "infra/checks/helm.ts", "../../scripts/go-tools.ts"],
    ["infra imports the stack", "infra/checks/helm.ts", "@tercet/stack"],
    ["a package imports scripts", "packages/cli/src/table.ts", "../../../scripts/go-tools.ts"],
    ["by the path of its source", "packages/stack/src/stack.ts", "@tercet/order/src/order.ts"],
    ["by a relative path", "packages/stack/src/stack.ts", "../../order/src/index.ts"],
    ["out of packages", "packages/stack/src/stack.ts", "../../../vitest.global.ts"],
    ["main.ts", "packages/order/src/order.test.ts", "./main.ts"],
    ["another package's main", "packages/stack/src/stack.ts", "@tercet/order/main"],
    ["a package without a rule", "packages/new/src/index.ts", "@tercet/gen/common/v1/money"],
  ])("%s", (_, path, specifier) => {
    expect(problems(path, `import type { A } from "${specifier}";`)).toEqual([
      expect.stringContaining(`${path}: "${specifier}"`),
    ]);
  });
});

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packGen } from "./gen-package.ts";
import { patient } from "./patience.ts";

/** A stranger's program: it compiles only if fields have types, and `bigint` for money. */
const PROGRAM = `
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { MoneySchema } from "@tercet/gen/common/v1/money";
import { type Order, OrderSchema, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";

const transport = createRouterTransport(({ service }) => {
  service(OrderService, {
    getOrder: ({ orderId }) => ({
      id: orderId,
      status: OrderStatus.CONFIRMED,
      total: { currencyCode: "EUR", minorUnits: 1999n },
    }),
  });
});
const order: Order = await createClient(OrderService, transport).getOrder({ orderId: "1" });
const total: bigint | undefined = order.total?.minorUnits;
const copy = fromBinary(OrderSchema, toBinary(OrderSchema, order));
// @ts-expect-error: a field that no order has
copy.price;
// @ts-expect-error: money is not a number
create(MoneySchema, { minorUnits: 1 });
console.log(total, toJsonString(OrderSchema, copy));
`;

const run = promisify(execFile);

let folder: TemporaryFolder;
let reason: string | undefined;

beforeAll(async () => {
  folder = await temporaryFolder("gen-package");
  const tarball = await packGen(folder.path);
  await writeFile(join(folder.path, "package.json"), '{"type": "module"}');
  await writeFile(join(folder.path, "program.ts"), PROGRAM);
  reason = await install(tarball, "@connectrpc/connect@2");
}, patient(120_000));
afterAll(() => folder?.[Symbol.asyncDispose]());

/** Resolves to a sentence if no registry can be reached. */
async function install(...packages: string[]): Promise<string | undefined> {
  const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages];
  try {
    await run("npm", args, { cwd: folder.path });
    return undefined;
  } catch (error) {
    if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(String(error))) throw error;
    const sentence = "WITHOUT a registry: @tercet/gen is not installed in an empty project";
    process.stderr.write(`${sentence}\n`);
    return sentence;
  }
}

describe("@tercet/gen as it is published, in an empty project", () => {
  test.for([
    ["nodenext", "nodenext"],
    ["bundler", "esnext"],
  ] as const)("its types are found by %s", async ([moduleResolution, module], { skip }) => {
    skip(reason !== undefined, reason);
    const options = { module, moduleResolution, strict: true, target: "es2024", noEmit: true };
    const project = join(folder.path, `tsconfig.${moduleResolution}.json`);
    const compilerOptions = { ...options, lib: ["es2024", "dom"], types: [], skipLibCheck: false };
    await writeFile(project, JSON.stringify({ files: ["program.ts"], compilerOptions }));
    const { stdout } = await run(join(ROOT, "node_modules/.bin/tsc"), ["-p", project]).catch(
      (failed: { stdout: string }) => failed,
    );
    expect(stdout).toBe("");
  });

  test("it runs", async ({ skip }) => {
    skip(reason !== undefined, reason);
    const { stdout } = await run(process.execPath, ["program.ts"], { cwd: folder.path });
    expect(stdout).toBe(
      '1999n {"id":"1","status":"ORDER_STATUS_CONFIRMED","total":{"currencyCode":"EUR","minorUnits":"1999"}}\n',
    );
  });
});

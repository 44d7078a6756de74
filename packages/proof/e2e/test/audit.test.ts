import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { auditMoney } from "@tercet/audit";
import { connectPostgres } from "@tercet/service";
import { type Api, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isLate, persistently } from "./calls.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot } from "./teapots.ts";

const MAIN = resolve(import.meta.dirname, "../../audit/dist/main.js");
const OPTIONS = { openForMs: 60_000 };

let folder: TestFolder;
let stack: Stack;
let alice: Api;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
  alice = await logIn(stack.urls.edge, stack.users.alice);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const place = (token = "tok_visa", timeoutMs = 10_000) => {
  const mug = aTeapot("MUG-BLUE", token);
  return persistently(() => alice.orders.createOrder(mug, { timeoutMs }), isLate);
};

/** As an operator runs it. */
async function command(...args: readonly string[]): Promise<{ code: number; output: string }> {
  const env = {
    ...process.env,
    ORDER_DATABASE_URL: stack.databaseUrls.order,
    PAYMENT_DATABASE_URL: stack.databaseUrls.payment,
    PROVIDER_BOOK_DIR: stack.bookDir,
  };
  return await promisify(execFile)(process.execPath, [MAIN, ...args], { env }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stdout, stderr }) => ({ code, output: `${stdout}${stderr}` }),
  );
}

test("a running system is sound, also while orders are in progress; an order in progress for too long is named", async () => {
  const [confirmed] = await Promise.all([place(), place("tok_declined"), place()]);
  const { id } = await place("tok_timeout", patient(500));
  const { orders, netCaptured, broken, overdue, parked } = await auditMoney(stack, OPTIONS);
  expect(orders).toEqual({ CONFIRMED: 2, REJECTED: 1, PENDING: 1 });
  expect(netCaptured).toEqual(new Map([["EUR", 2n * (confirmed.total?.minorUnits ?? 0n)]]));
  expect([broken, overdue, parked]).toEqual([[], [], []]);
  expect((await auditMoney(stack, { openForMs: 1 })).overdue).toEqual([
    expect.stringContaining(`place-order of order ${id} has been RUNNING`),
    expect.stringContaining("(PENDING) has waited for the provider"),
  ]);
  expect(await command()).toMatchObject({
    code: 0,
    output: expect.stringContaining("every invariant holds"),
  });
  expect(await command("--open-for", "0.001")).toMatchObject({
    code: 1,
    output: expect.stringContaining(id),
  });
});

test("an order that was changed in the database is named, and a charge without an order", async () => {
  const { id } = await place();
  const sql = connectPostgres(stack.databaseUrls.order, { max: 1 });
  await sql`update orders set status = 'CANCELLED' where id = ${id}`;
  await sql.end();
  const stranger = crypto.randomUUID();
  const entry = {
    kind: "charge",
    key: stranger,
    amount: { currencyCode: "EUR", minorUnits: "1" },
    reference: "x",
    refundsFail: false,
  };
  await writeFile(
    join(stack.bookDir, `charge-${stranger}.json`),
    JSON.stringify({ ...entry, time: new Date() }),
  );
  const { code, output } = await command();
  expect(code).toBe(1);
  for (const text of [
    "I1:",
    `I5: order ${id} (CANCELLED): 1 charges, 0 refunds`,
    `I8: order ${id} is CANCELLED`,
    `I5: the charge ${stranger} (1 EUR) belongs to no order`,
  ])
    expect(output).toContain(text);
});

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { REFUNDS_WORK } from "@tercet/payment";
import { logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { becomes } from "./calls.ts";
import { expectInvariants, moves } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { followRunbook, missingPrograms } from "./runbook.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const missing = await missingPrograms();
if (missing.length > 0)
  process.stderr.write(`WITHOUT ${missing.join(", ")}: the runbook's commands are not tried\n`);

let folder: TestFolder;
let stack: Stack;
beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, { SAGA_COMPENSATION_BUDGET_MS: "1000" });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

test.skipIf(missing.length > 0)(
  "a stuck saga is found, retried and finished by the runbook's commands",
  async () => {
    const [alice, olivia] = [
      await logIn(stack.urls.edge, stack.users.alice),
      await logIn(stack.urls.edge, stack.users.olivia),
    ];
    // It is charged, the product is sold out, and the provider does not refund it.
    const order = await alice.orders.createOrder(
      aTeapot(await putTeapots(olivia, 0n), "tok_refund_fails"),
      { timeoutMs: patient(1_000) },
    );
    await becomes(alice, order, OrderStatus.NEEDS_ATTENTION);
    expect(await moves(stack, order)).toEqual([1, 0]);
    await writeFile(join(stack.bookDir, REFUNDS_WORK), "");
    const said = await followRunbook(stack, "A saga is stuck");
    expect(said).toContain(`\tplace-order\tcharge\t${order.id}\tthe compensation budget is spent`);
    expect(said).toContain("SAGA_STATE_COMPENSATING");
    await becomes(alice, order, OrderStatus.CANCELLED);
    expect(await moves(stack, order)).toEqual([1, 1]);
    await expectInvariants(stack);
  },
);

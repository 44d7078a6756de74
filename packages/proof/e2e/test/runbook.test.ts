import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Role } from "@tercet/gen/common/v1/access";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { SagaLateReason, SagaService } from "@tercet/gen/order/v1/saga_service";
import { REFUNDS_WORK } from "@tercet/payment";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { becomes, isLate, persistently } from "./calls.ts";
import { moves } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import {
  followBlock,
  followRunbook,
  logInAsReader,
  missingPrograms,
  type Reader,
} from "./runbook.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const missing = await missingPrograms();
if (missing.length > 0)
  process.stderr.write(`WITHOUT ${missing.join(", ")}: the runbook's commands are not tried\n`);

let folder: TestFolder;
let stack: Stack;
let reader: Reader;
beforeAll(async () => {
  folder = await testFolder();
  // With default settings: a compensation is tried for 24 hours.
  stack = await startTestStack(folder);
  reader = { stack, configDir: join(folder.path, "config") };
  if (missing.length === 0) await logInAsReader(reader);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** An order that was charged, is sold out, and that the provider does not refund. */
async function placeStuckOrder(): Promise<{ readonly alice: Api; readonly order: Order }> {
  const { alice, olivia } = stack.users;
  const [customer, operator] = [
    await logIn(stack.urls.edge, alice),
    await logIn(stack.urls.edge, olivia),
  ];
  const inVain = aTeapot(await putTeapots(operator, 0n), "tok_refund_fails");
  const order = await persistently(
    () => customer.orders.createOrder(inVain, { timeoutMs: patient(1_000) }),
    isLate,
  );
  expect(await moves(stack, order)).toEqual([1, 0]);
  await becomesLate(order);
  return { alice: customer, order };
}

/** Waits until the order's saga is late because it fails, long before the age of one minute. */
async function becomesLate({ id: orderId }: Order): Promise<void> {
  const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.olivia);
  const transport = createConnectTransport({ baseUrl: stack.urls.edge, httpVersion: "1.1" });
  const sagas = createClient(SagaService, transport);
  const headers = { authorization: `Bearer ${accessToken}` };
  await vi.waitFor(
    async () => {
      const late = await sagas.listSagas({ late: true, orderId }, { headers });
      expect(late.sagas.map(({ lateReason }) => lateReason)).toEqual([SagaLateReason.FAILING]);
    },
    { timeout: patient(60_000), interval: 250 },
  );
}

const mendRefunds = () => writeFile(join(stack.bookDir, REFUNDS_WORK), "");

test.skipIf(missing.length > 0)(
  "a saga that cannot end is settled outside by the runbook's commands",
  async () => {
    const { alice, order } = await placeStuckOrder();
    const said = await followRunbook(reader, ["A saga is stuck", "Settle a saga outside"]);
    expect(said).toMatch(/^state +RESOLVED$/m);
    expect(said).toMatch(/^resolved +SETTLED_OUTSIDE$/m);
    expect(said).toMatch(/^reference +transfer 2026-11-28\/17$/m);
    await becomes(alice, order, OrderStatus.CANCELLED);
    // The customer sees it in the timeline. The provider moved nothing.
    const { timeline } = await alice.orders.getOrder({ orderId: order.id });
    expect(timeline.at(-1)?.outcome).toBe(SagaOutcome.RESOLVED);
    expect(await moves(stack, order)).toEqual([1, 0]);
  },
);

test.skipIf(missing.length > 0)(
  "a stuck saga is found, understood, retried and finished by the runbook's commands",
  async () => {
    const { alice, order } = await placeStuckOrder();
    const found = await followRunbook(reader, ["A saga is stuck"]);
    expect(found).toMatch(
      new RegExp(`place-order +COMPENSATING +charge +\\d+ (s|min) +FAILING +${order.id} `),
    );
    expect(found).toMatch(/^last error +\S/m);
    expect(found).toMatch(new RegExp(`^payment +${order.paymentId}$`, "m"));
    expect(found).toMatch(/^refund +19\.99 EUR PENDING /m);

    // Mended once the operator has retried: before, the saga could end by its own retry.
    const following = followRunbook(reader, ["A saga is stuck", "Retry a saga"]);
    const retried = vi.waitFor(
      async () => {
        const { timeline } = await alice.orders.getOrder({ orderId: order.id });
        expect(timeline.map(({ outcome }) => outcome)).toContain(SagaOutcome.STARTED);
      },
      { timeout: patient(90_000), interval: 250 },
    );
    await Promise.race([retried, following]);
    await mendRefunds();
    const said = await following;
    expect(said).toMatch(/CANCELLED( |$)/m);
    await becomes(alice, order, OrderStatus.CANCELLED);
    expect(await moves(stack, order)).toEqual([1, 1]);
  },
);

test.skipIf(missing.length > 0)(
  "an administrator gets back in by the runbook's commands",
  async () => {
    const { admin } = stack.users;
    const way = "No administrator can log in";
    const env = { IDENTITY_DATABASE_URL: stack.databaseUrls.identity };
    const said = await followBlock({ ...reader, env }, way, 0);
    const newPassword = "a password to remember";
    await followBlock(reader, way, 1, `${said.trim()}\n${newPassword}\n`);
    await expect(logIn(stack.urls.edge, admin)).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
    const { identity } = await logIn(stack.urls.edge, { ...admin, password: newPassword });
    expect((await identity.getMe({})).roles).toContain(Role.ADMIN);
  },
);

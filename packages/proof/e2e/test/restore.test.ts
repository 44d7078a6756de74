import { execFile } from "node:child_process";
import { chown, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { auditMoney, readSnapshot, unfinished } from "@tercet/audit";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { readBook } from "@tercet/payment";
import { connectPostgres } from "@tercet/service";
import { logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PATIENCE } from "./calls.ts";
import { movedFor } from "./expect-invariants.ts";
import { followRunbook, logInAsReader, missingPrograms } from "./runbook.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const run = promisify(execFile);
const OPEN_FOR = { openForMs: 60_000 };

const missing = await missingPrograms();
if (missing.length > 0)
  process.stderr.write(`WITHOUT ${missing.join(", ")}: a restored backup is not put in order\n`);

let folder: TestFolder;
let stack: Stack;
beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/**
 * Makes a base backup of the running server, as pg_basebackup does: its files, then the log from
 * before until after the copy.
 */
async function baseBackup(
  { databaseUrls }: Pick<Stack, "databaseUrls">,
  from: string,
  to: string,
): Promise<void> {
  const sql = connectPostgres(databaseUrls.order, { max: 1 });
  try {
    await sql`select pg_backup_start('nightly', true)`;
    await run("cp", ["-a", from, to]);
    await rm(join(to, "postmaster.pid"));
    const [stopped] = await sql<{ labelfile: string }[]>`select labelfile from pg_backup_stop()`;
    await run("cp", ["-a", `${from}/pg_wal`, to]);
    await writeFile(join(to, "backup_label"), stopped?.labelfile ?? "", { mode: 0o600 });
    const { uid, gid } = await stat(to);
    await chown(join(to, "backup_label"), uid, gid);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const buy = async (sku: string, count: number, token = "tok_visa") => {
  const { orders } = await logIn(stack.urls.edge, stack.users.alice);
  return await Promise.all(
    Array.from({ length: count }, () =>
      orders.createOrder(aTeapot(sku, token), { timeoutMs: 10_000 }),
    ),
  );
};

test.skipIf(missing.length > 0)(
  "a base backup is restored: services run, open sagas end, and the money of orders that it does not have goes back",
  async () => {
    const [data, backup] = [join(folder.path, "postgres"), join(folder.path, "backup")];
    const sku = await putTeapots(await logIn(stack.urls.edge, stack.users.olivia), 100n);
    const before = await buy(sku, 3);
    // In flight while the files are copied.
    const open = buy(sku, 3, "tok_slow");
    await vi.waitFor(
      async () => expect(unfinished(await readSnapshot(stack)).length).toBeGreaterThanOrEqual(3),
      PATIENCE,
    );
    await baseBackup(stack, data, backup);
    const during = await open;
    const lost = await buy(sku, 4);
    await stack[Symbol.asyncDispose]();

    await rm(data, { recursive: true });
    await run("mv", [backup, data]);
    stack = await startTestStack(folder);
    await vi.waitFor(
      async () => expect(unfinished(await readSnapshot(stack))).toEqual([]),
      PATIENCE,
    );
    const alice = await logIn(stack.urls.edge, stack.users.alice);
    const { orders } = await alice.orders.listOrders({ pageSize: 100 });
    expect(orders.map(({ id }) => id).sort()).toEqual(
      [...before, ...during].map(({ id }) => id).sort(),
    );
    expect(new Set(orders.map(({ status }) => status))).toEqual(new Set([OrderStatus.CONFIRMED]));
    const broken = (await auditMoney(stack, OPEN_FOR)).broken.filter((sentence) =>
      sentence.startsWith("I5"),
    );
    expect(broken.toSorted()).toEqual(
      lost
        .map(({ paymentId }) => `I5: the charge ${paymentId} (1999 EUR) belongs to no order`)
        .toSorted(),
    );

    const env = {
      ORDER_DATABASE_URL: stack.databaseUrls.order,
      PAYMENT_DATABASE_URL: stack.databaseUrls.payment,
      PROVIDER_BOOK_DIR: stack.bookDir,
    };
    const reader = { stack, configDir: join(folder.path, "config"), env };
    await logInAsReader(reader);
    await followRunbook(reader, ["Restore"]).catch((error) => {
      // The audit finds something, so its exit code is 1, and pipefail passes it on at the end.
      if (error.exitCode !== 1) throw error;
    });
    for (const { paymentId } of lost) {
      const { charges, refunds } = await movedFor(stack, paymentId);
      expect([charges.length, refunds]).toEqual([1, charges]);
    }
    const report = await auditMoney(stack, OPEN_FOR);
    expect([report.broken, report.overdue]).toEqual([[], []]);
    expect(report.refundedStrays).toHaveLength(lost.length);
    expect((await readBook(stack.bookDir)).filter(({ kind }) => kind === "charge")).toHaveLength(
      10,
    );
    const [again] = await buy(sku, 1);
    expect(again?.status).toBe(OrderStatus.CONFIRMED);
  },
);

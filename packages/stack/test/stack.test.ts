import { type ChildProcess, execFile, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, ROOT, silentListener, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { testDatabase } from "@tercet/service/testing";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { logIn } from "../src/api.ts";
import { readSeed } from "../src/catalog.ts";
import { ANY_PORT, envToConfig, MANY_CALLS } from "../src/config.ts";
import { type Stack, startStack } from "../src/stack.ts";
import { placeAnOrder } from "../src/welcome.ts";

const run = promisify(execFile);
const SLOW = 120_000;

let temporary: TemporaryFolder;
let folder: string;
beforeAll(async () => {
  temporary = await temporaryFolder("stack");
  folder = temporary.path;
});
afterAll(() => temporary?.[Symbol.asyncDispose]());

const start = (
  env: Record<string, string> = {},
  notice: (sentence: string) => void = () => {},
): Promise<Stack> =>
  startStack(envToConfig({ ...ANY_PORT, ...MANY_CALLS, DATA_DIR: folder, ...env }), {
    listener: { ...silentListener, notice },
  });

test(
  "the whole system starts, takes an order as the printed commands place it, outlives a kill, stops without a trace, and starts again",
  async () => {
    const notices: string[] = [];
    const stack = await start({}, (sentence) => notices.push(sentence));
    const processes = [...Object.values(stack.services), stack.postgres].map(
      (process) => process?.pid ?? 0,
    );
    expect((await stat(join(folder, "secrets.json"))).mode & 0o777).toBe(0o600);

    const { stdout } = await run("sh", ["-c", placeAnOrder(stack.urls.edge, stack.users.alice)], {
      env: { ...process.env },
    });
    const order = JSON.parse(stdout) as { id: string; status: string };
    expect(order.status).toBe("ORDER_STATUS_CONFIRMED");

    expect(await stack.services.order.kill()).toBe("SIGKILL");
    await stack.services.order.ready();
    expect(
      notices.filter(
        (sentence) => sentence.startsWith("order ended") || sentence.startsWith("order is up"),
      ),
    ).toEqual([
      "order ended unexpectedly (SIGKILL); starting it again in 0.1 s",
      `order is up again (process ${stack.services.order.pid})`,
    ]);
    processes.push(stack.services.order.pid ?? 0);

    const sql = postgres(stack.databaseUrls.order, { max: 1 });
    await sql`update products set name = 'Renamed' where sku = 'MUG-BLUE'`;
    // As if they were so old that they have been swept.
    await sql`delete from requests`;
    await sql.end();
    await stack[Symbol.asyncDispose]();
    expect(processes.filter(isAlive)).toEqual([]);

    const again = await start();
    onTestFinished(() => again[Symbol.asyncDispose]());
    const alice = await logIn(again.urls.edge, stack.users.alice);
    expect((await alice.orders.getOrder({ orderId: order.id })).status).toBe(OrderStatus.CONFIRMED);
    const { products } = await alice.catalog.listProducts({});
    expect(products.find(({ sku }) => sku === "MUG-BLUE")?.name).toBe("Renamed");
    expect(products).toHaveLength(readSeed().length);
    const seeded =
      readSeed().find(({ product }) => product?.sku === "MUG-BLUE")?.product?.stock ?? 0n;
    expect(products.find(({ sku }) => sku === "MUG-BLUE")?.stock).toBe(seeded - 2n);
    await expect(start()).rejects.toThrow(`another stack runs on the folder ${folder}`);
  },
  SLOW,
);

test(
  "Ctrl-C drains it; killed, it leaves nothing that the next start would not clear away",
  async () => {
    const killed = await command();
    killed.process.kill("SIGKILL");
    await killed.ended;
    const next = await command();
    expect(next.output()).toContain("the stack that was killed");
    next.process.kill("SIGINT");
    expect(await next.ended).toBe(0);
    expect(next.output()).toContain("stopped; the orders are kept");
    expect(await ourProcesses()).toEqual([]);
  },
  SLOW,
);

test(
  "the demo's orders end as they should, on a stack of its own and on one that runs",
  async () => {
    const demo = async (env: Record<string, string>) => {
      const script = join(ROOT, "packages/stack/dist/demo.js");
      return (
        await run(process.execPath, [script], {
          env: { ...ANY_PORT, ...MANY_CALLS, DATA_DIR: folder, ...env },
        })
      ).stdout;
    };
    expect(await demo({})).toMatch(/PostgreSQL.+12 of 12 orders had the expected outcome/s);
    await using stack = await start();
    expect(await demo({ EDGE_PORT: new URL(stack.urls.edge).port })).toMatch(
      /^placing 12 orders.+12 of 12 orders had the expected outcome/s,
    );
  },
  SLOW,
);

test(
  "a replica serves what the first process serves, and ends with the stack",
  async () => {
    const databases = await Promise.all([testDatabase(), testDatabase(), testDatabase()]);
    onTestFinished(async () => {
      for (const database of databases) await database[Symbol.asyncDispose]();
    });
    const [identity, order, payment] = databases.map(({ url }) => url) as [string, string, string];
    const other = await temporaryFolder("stack");
    onTestFinished(() => other[Symbol.asyncDispose]());
    const env = {
      DATA_DIR: other.path,
      IDENTITY_DATABASE_URL: identity,
      ORDER_DATABASE_URL: order,
      PAYMENT_DATABASE_URL: payment,
    };
    const stack = await start(env);
    expect(stack.postgres).toBeUndefined();
    expect(stack.databaseUrls).toEqual({ identity, order, payment });
    const replica = await stack.startReplica("order");
    expect((await fetch(`${replica.url}/health/ready`)).status).toBe(200);
    await stack[Symbol.asyncDispose]();
    expect(await replica.exited).toBe("exit code 0");

    const SYSTEM_ID = stack.envOf("order")["SYSTEM_ID"] ?? "";
    const stranger = (change: Record<string, string>) =>
      start({ ...env, DATA_DIR: join(other.path, "stranger"), ...change }).then(
        () => "started",
        (error: Error) => error.message,
      );
    expect(await stranger({})).toContain(`the database belongs to the system "${SYSTEM_ID}", and`);
    expect(await stranger({ SYSTEM_ID })).toContain(
      "olivia@example.com has another password in the database than in secrets.json",
    );
  },
  SLOW,
);

test("a port in use is one sentence, before anything is started", async () => {
  const port = await freePort();
  const holder = createServer();
  await new Promise<void>((listening) => holder.listen(port, "127.0.0.1", listening));
  onTestFinished(() => void holder.close());
  await expect(start({ PAYMENT_PORT: String(port) })).rejects.toThrow(
    `port ${port}, for the payment service, is in use: stop what listens there, or set PAYMENT_PORT to another one`,
  );
});

test("a database that cannot be reached is one sentence, without its password", async () => {
  const url = `postgres://me:secret@127.0.0.1:${await freePort()}/orders`;
  const urls = { IDENTITY_DATABASE_URL: url, ORDER_DATABASE_URL: url, PAYMENT_DATABASE_URL: url };
  const message = await start(urls).catch((error: Error) => error.message);
  expect(message).toMatch(
    /^the database of IDENTITY_DATABASE_URL, at 127\.0\.0\.1:\d+, cannot be used: nothing listens there$/m,
  );
  expect(message).not.toContain("secret");
});

test(
  "a setting that a service refuses is in the service's words",
  async () => {
    await expect(start({ SAGA_LEASE_MS: "soon" })).rejects.toThrow(
      /order did not start .*\n.*\n {2}SAGA_LEASE_MS: must be a whole number/,
    );
    expect(await ourProcesses()).toEqual([]);
  },
  SLOW,
);

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
}

/** `pnpm start`, once it says that it runs. */
async function command(): Promise<Running> {
  const main = join(ROOT, "packages/stack/dist/main.js");
  const env = { PATH: process.env["PATH"], ...ANY_PORT, ...MANY_CALLS, DATA_DIR: folder };
  const started = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void started.kill("SIGKILL"));
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<number | null>();
  let said = "";
  started.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (said.includes("Ctrl-C stops")) resolve();
  });
  started.once("close", (code) => {
    end(code);
    reject(new Error(said));
  });
  await ready;
  return { process: started, ended, output: () => said };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Processes with our folder in their command line or environment. */
async function ourProcesses(): Promise<string[]> {
  const { stdout } = await run("ps", ["axeww", "-o", "pid=,args="]);
  return stdout
    .split("\n")
    .filter((line) => line.includes(`${folder}/`) && !line.includes("ps axeww"));
}

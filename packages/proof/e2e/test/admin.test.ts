import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Code, ConnectError } from "@connectrpc/connect";
import { runAdmin } from "@tercet/admin";
import { freePort, ROOT } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { logLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const MAIN = join(ROOT, "packages/admin/dist/main.js");

let folder: TestFolder;
let stack: Stack;
let alice: Api;
let olivia: Api;
beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
  alice = await logIn(stack.urls.edge, stack.users.alice);
  olivia = await logIn(stack.urls.edge, stack.users.olivia);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

interface Said {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const loginFileOf = (name: string) => join(folder.path, name, "tercet/logins.json");

/** Runs the command for a person, who has a login file of their own. */
async function admin(
  name: string,
  args: readonly string[],
  { typed = "", url = stack.urls.edge } = {},
): Promise<Said> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const exitCode = await runAdmin(args, {
    env: { TERCET_URL: url },
    stdin: Readable.from([Buffer.from(typed)]),
    stdout,
    stderr,
    signal: new AbortController().signal,
    loginFile: loginFileOf(name),
  });
  stdout.end();
  stderr.end();
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) };
}

const done = async (name: string, ...args: readonly string[]): Promise<string> => {
  const said = await admin(name, args);
  expect(said.stderr).toBe("");
  expect(said.exitCode).toBe(0);
  return said.stdout;
};
const json = async (name: string, ...args: readonly string[]) =>
  JSON.parse(await done(name, "--json", ...args));

const logInAs = (name: "alice" | "olivia" | "admin", password = stack.users[name].password) =>
  admin(name, ["login", stack.users[name].email], { typed: `${password}\n` });

const buy = async (): Promise<Order> =>
  await alice.orders.createOrder(aTeapot(await putTeapots(olivia, 10n)));

describe("a login", () => {
  test("is made with a password from standard input, kept, and ended", async () => {
    expect(await logInAs("olivia", "wrong password")).toMatchObject({ exitCode: 3, stdout: "" });
    const said = await logInAs("olivia");
    expect(said.stderr).toBe(`logged in at ${stack.urls.edge} as olivia@example.com\n`);
    expect(await done("olivia", "whoami")).toMatch(/^roles +OPERATOR$/m);
    const kept = JSON.parse(await readFile(loginFileOf("olivia"), "utf8"));
    expect(JSON.stringify(kept)).not.toContain(stack.users.olivia.password);

    const { refreshToken } = kept[stack.urls.edge];
    expect((await admin("olivia", ["logout"])).stderr).toBe("olivia@example.com is logged out\n");
    await expect(olivia.identity.refresh({ refreshToken })).rejects.toThrow(/not valid/);
    expect(await admin("olivia", ["whoami"])).toMatchObject({ exitCode: 3, stdout: "" });
  });

  test("is renewed by several processes at once, with one use of its refresh token", async () => {
    await logInAs("olivia");
    const file = loginFileOf("olivia");
    const expire = async () => {
      const logins = JSON.parse(await readFile(file, "utf8"));
      logins[stack.urls.edge].accessExpireMs = 0;
      await writeFile(file, JSON.stringify(logins));
    };
    const refreshes = async () =>
      (await logLines(stack, "identity")).filter(
        ({ msg, method }) => msg === "call" && String(method).endsWith("/Refresh"),
      ).length;
    const before = await refreshes();
    for (const round of [1, 2]) {
      await expire();
      const env = {
        TERCET_URL: stack.urls.edge,
        XDG_CONFIG_HOME: join(folder.path, "olivia"),
      };
      await Promise.all(
        Array.from({ length: 4 }, () => execa(process.execPath, [MAIN, "whoami"], { env })),
      );
      expect((await refreshes()) - before).toBe(round);
    }
  });

  test("is let in from a device that has logged in before, while others guess the password", async () => {
    await logInAs("alice");
    await admin("alice", ["logout"]);
    const { email, password } = stack.users.alice;
    const guess = () =>
      createApi(stack.urls.edge)
        .identity.login({ email, password: "a guess" })
        .then(
          () => Code.Unknown,
          (error: unknown) => ConnectError.from(error).code,
        );
    let code = await guess();
    for (let n = 0; code === Code.Unauthenticated && n < 100; n++) code = await guess();
    expect(code).toBe(Code.ResourceExhausted);
    const typed = `${password}\n`;
    const stranger = await admin("stranger", ["login", email], { typed });
    expect(stranger.exitCode).not.toBe(0);
    expect(await admin("alice", ["login", email.toUpperCase()], { typed })).toMatchObject({
      exitCode: 0,
    });
  });

  test("that the system has ended is forgotten, with exit code 3", async () => {
    await logInAs("olivia");
    const file = loginFileOf("olivia");
    const logins = JSON.parse(await readFile(file, "utf8"));
    const { refreshToken } = logins[stack.urls.edge];
    await olivia.identity.logout({ refreshToken });
    logins[stack.urls.edge].accessExpireMs = 0;
    await writeFile(file, JSON.stringify(logins));
    const said = await admin("olivia", ["whoami"]);
    expect(said.stderr).toBe('the login has ended: run "pnpm admin login EMAIL"\n');
    expect(said.exitCode).toBe(3);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({});
  });
});

describe("an operator", () => {
  beforeEach(() => logInAs("olivia"));

  test("finds an order, its sagas and its payment, follows it and cancels it", async () => {
    const { id, paymentId, customerId } = await buy();
    expect(
      await done("olivia", "orders", "list", "--customer", customerId, "--limit", "1"),
    ).toMatch(new RegExp(`^ORDER .*\n${id}  CONFIRMED  19.99 EUR  ${customerId}  `));
    const listed = await json("olivia", "orders", "list", "--status", "confirmed");
    expect(listed.orders.map((order: Order) => order.id)).toContain(id);
    const shown = await done("olivia", "orders", "show", id.toUpperCase());
    expect(shown).toMatch(/^item +1 × Z-\S+ Teapot, 19.99 EUR$/m);
    expect(shown).toMatch(/ charge +RUN +SUCCEEDED +1 +\d+ ms/);
    expect(await done("olivia", "orders", "watch", id)).toMatch(/Z {2}CONFIRMED$/m);
    const [saga] = (await json("olivia", "sagas", "list", "--order", id)).sagas;
    expect(saga).toMatchObject({ kind: "place-order", state: "SAGA_STATE_COMPLETED", orderId: id });
    expect(await done("olivia", "sagas", "show", saga.id)).toMatch(/^state +COMPLETED$/m);
    expect(await json("olivia", "payments", "show", paymentId)).toMatchObject({
      status: "PAYMENT_STATUS_SUCCEEDED",
      orderId: id,
    });

    const requestId = crypto.randomUUID();
    const cancel = ["orders", "cancel", id, "--reason", "by phone", "--request-id", requestId];
    expect(await done("olivia", ...cancel)).toMatch(/^status +CANCELLED$/m);
    expect(await done("olivia", ...cancel)).toMatch(/^status +CANCELLED$/m);
    expect(await done("olivia", "payments", "show", paymentId)).toMatch(/^refunded +19.99 EUR$/m);
  });

  test("refunds a part of a payment, once", async () => {
    const { paymentId } = await buy();
    const refund = ["payments", "refund", paymentId, "--amount", "5", "--reason", "scratched"];
    const requestId = crypto.randomUUID();
    for (let n = 0; n < 2; n++)
      expect(await done("olivia", ...refund, "--request-id", requestId)).toMatch(
        /^refunded +5.00 EUR$/m,
      );
    const tooMuch = ["payments", "refund", paymentId, "--amount", "15", "--reason", "broken"];
    const said = await admin("olivia", tooMuch);
    expect(said.stderr).toMatch(/REFUND_EXCEEDS_CAPTURE, failed_precondition, .*: 1499/);
    expect(said.exitCode).toBe(1);
    const odd = ["payments", "refund", paymentId, "--amount", "1.999", "--reason", "odd"];
    expect(await admin("olivia", odd)).toMatchObject({ exitCode: 2 });
  });

  test("reads why the system refuses, with an id that is in its log", async () => {
    const { id } = await buy();
    const [saga] = (await json("olivia", "sagas", "list", "--order", id)).sagas;
    const said = await admin("olivia", ["sagas", "compensate", saga.id, "--reason", "too late"]);
    expect(said).toMatchObject({ exitCode: 1, stdout: "" });
    expect(said.stderr).toMatch(
      /^a saga that is COMPLETED .* \(SAGA_NOT_COMPENSATABLE, failed_precondition, state: COMPLETED\)$/m,
    );
    const [, correlationId] = /^correlation id: (\S+)$/m.exec(said.stderr) ?? [];
    const lines = await logLines(stack, "order");
    expect(lines.map(({ correlation_id }) => correlation_id)).toContain(correlationId);
    const denied = await admin("olivia", ["users", "list"]);
    expect(denied.stderr).toMatch(/PERMISSION_DENIED, permission_denied/);
    expect(denied.exitCode).toBe(1);
  });

  test("learns that the outcome is unknown, and how to repeat", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const logins = JSON.parse(await readFile(loginFileOf("olivia"), "utf8"));
    logins[url] = logins[stack.urls.edge];
    await writeFile(loginFileOf("olivia"), JSON.stringify(logins));
    const saga = crypto.randomUUID();
    const said = await admin("olivia", ["sagas", "retry", saga], { url });
    expect(said.stderr).toMatch(
      /cannot be reached: ECONNREFUSED; .*repeat the command with --request-id [0-9a-f-]{36}/,
    );
    expect(said.exitCode).toBe(4);
  });

  test("is warned when there are more than the limit", async () => {
    await Promise.all([buy(), buy()]);
    const said = await admin("olivia", ["orders", "list", "--limit", "1"]);
    expect(said.stdout.trimEnd().split("\n")).toHaveLength(2);
    expect(said.stderr).toMatch(/there are more: these are the first 1; see --limit/);
    const all = await json("olivia", "orders", "list", "--limit", "1000");
    expect(all.orders.length).toBeGreaterThan(1);
  });
});

describe("an administrator", () => {
  beforeEach(() => logInAs("admin"));

  const newUser = async () => {
    const credentials = {
      email: `${crypto.randomUUID()}@example.com`,
      password: "correct horse battery",
    };
    const request = { ...credentials, displayName: "Bob", requestId: crypto.randomUUID() };
    const { id } = await alice.identity.register(request);
    return { ...credentials, id };
  };

  test("lists users, and gives them roles", async () => {
    const { id, email } = await newUser();
    const listed = await done("admin", "users", "list", email.slice(0, 20).toUpperCase());
    expect(listed).toMatch(new RegExp(`^USER .*\n${id}  ${email}  Bob +CUSTOMER  .*Z\n$`));
    const changed = await done("admin", "users", "roles", email, "customer", "operator");
    expect(changed).toMatch(/^roles +CUSTOMER, OPERATOR$/m);
  });

  test("disables a user and enables them again", async () => {
    const user = await newUser();
    const disabled = await done("admin", "users", "disable", user.email, "--reason", "fraud");
    expect(disabled).toMatch(/^disabled +\d{4}-.*Z\nreason +fraud$/m);
    await expect(logIn(stack.urls.edge, user)).rejects.toThrow(/disabled/);
    expect(await done("admin", "users", "enable", user.id)).not.toMatch(/^disabled/m);
    await logIn(stack.urls.edge, user);
  });

  test("resets a password, which the user then sets", async () => {
    const user = await newUser();
    const { resetToken } = await json("admin", "users", "reset", user.email);
    const typed = `${resetToken}\na new password\n`;
    expect(await admin("bob", ["set-password"], { typed })).toMatchObject({ exitCode: 0 });
    await expect(logIn(stack.urls.edge, user)).rejects.toThrow(/not valid/);
    await logIn(stack.urls.edge, { ...user, password: "a new password" });
    const again = await admin("bob", ["set-password"], { typed });
    expect(again).toMatchObject({ exitCode: 3 });
  });

  test("cannot disable or demote the last administrator", async () => {
    for (const args of [
      ["disable", stack.users.admin.email, "--reason", "oops"],
      ["roles", stack.users.admin.email, "customer"],
    ]) {
      const said = await admin("admin", ["users", ...args]);
      expect(said.stderr).toMatch(/^this is the last enabled administrator.*\(LAST_ADMIN, /);
      expect(said.exitCode).toBe(1);
    }
  });

  test("learns that no user has an address", async () => {
    const said = await admin("admin", ["users", "roles", "missing@example.com", "customer"]);
    expect(said).toMatchObject({
      exitCode: 1,
      stderr: "no user has the address missing@example.com\n",
    });
  });
});

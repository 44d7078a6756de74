import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { temporaryFolder } from "@tercet/cli";
import { expect, test } from "vitest";
import { runAdmin } from "./program.ts";

async function admin(args: readonly string[], { typed = "", loginFile = "/nowhere" } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const exitCode = await runAdmin(args, {
    env: {},
    stdin: Readable.from([Buffer.from(typed)]),
    stdout,
    stderr,
    signal: new AbortController().signal,
    loginFile,
  });
  stdout.end();
  stderr.end();
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) };
}

test("help lists every command, and every command has its own", async () => {
  const { exitCode, stdout } = await admin(["--help"]);
  expect(exitCode).toBe(0);
  for (const name of ["login", "logout", "orders", "sagas", "payments", "users", "audit"])
    expect(stdout).toMatch(new RegExp(`^ +${name}\\b`, "m"));
  for (const args of [
    ["orders", "cancel"],
    ["sagas", "resolve"],
    ["payments", "refund"],
    ["users", "roles"],
    ["audit"],
  ])
    expect(await admin([...args, "--help"])).toMatchObject({ exitCode: 0, stderr: "" });
});

test.each([
  [["orders", "shwo"], /unknown command 'shwo'/],
  [["orders", "show"], /missing required argument 'order'/],
  [["orders", "show", "17"], /It is not a UUID/],
  [["orders", "list", "--status", "lost"], /One of: PENDING, CONFIRMED/],
  [["orders", "list", "--limit", "0"], /from 1 to 1000/],
  [["orders", "cancel", crypto.randomUUID()], /required option '--reason/],
  [["login", "olivia@example.com", "a password"], /too many arguments/],
  [["--url", "http://shop.example", "orders", "list"], /in the clear/],
])("%j is refused before any call, with exit code 2", async (args, message) => {
  const { exitCode, stderr } = await admin(args);
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(2);
});

test("without a login it says how to log in, with exit code 3", async () => {
  await using folder = await temporaryFolder("admin");
  const loginFile = `${folder.path}/logins.json`;
  const { exitCode, stderr } = await admin(["orders", "list"], { loginFile });
  expect(stderr).toMatch(/not logged in at http:\/\/127.0.0.1:8000: run "pnpm admin login EMAIL"/);
  expect(exitCode).toBe(3);
});

test("a gateway without operators' methods is explained", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(404, { "content-type": "application/json" });
    response.end('{"message":"no Route matched with those values"}');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ["--url", url, "set-password"];
  const { exitCode, stderr } = await admin(args, { typed: "a-token-of-20-characters\npassword\n" });
  server.close();
  expect(stderr).toMatch(/has no such method; .* TERCET_ORDER_URL/);
  expect(exitCode).toBe(1);
});

test("the audit does not judge another system than the one that was named", async () => {
  const { exitCode, stderr } = await admin(["--url", "https://shop.example", "audit"]);
  expect(stderr).toMatch(/set ORDER_DATABASE_URL, PAYMENT_DATABASE_URL and PROVIDER_BOOK_DIR/);
  expect(exitCode).toBe(2);
});

import { expect, test } from "vitest";
import { printedBeside } from "./started.ts";

test("addresses and passwords are read from what any revision prints", () => {
  const now = `
Tercet is running
  console    http://127.0.0.1:8000/  open it in a browser: shop, orders, sagas, API
  edge       http://127.0.0.1:8000   all services: gRPC, gRPC-Web, Connect and plain HTTP
             http://127.0.0.1:9080   the same, at Kong's port for gRPC
  order      http://127.0.0.1:5011
Users
  alice@example.com    k7mq-x2hd-9fzc          customer`;
  const dbd6363 = `
  edge      http://127.0.0.1:8000   Connect, gRPC-Web and plain HTTP to everything below
  order     http://127.0.0.1:5011
  alice@example.com   k7mq-x2hd-9fzc  customer`;
  for (const text of [now, dbd6363]) {
    expect(printedBeside("edge", text)).toBe("http://127.0.0.1:8000");
    expect(printedBeside("order", text)).toBe("http://127.0.0.1:5011");
    expect(printedBeside("alice@example.com", text)).toBe("k7mq-x2hd-9fzc");
    expect(printedBeside("payment", text)).toBeUndefined();
  }
});

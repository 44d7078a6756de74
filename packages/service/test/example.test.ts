import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { catalogAt, connect1, grpc } from "./harness.ts";

const program = new URL("../examples/catalog.ts", import.meta.url);

test("the example runs: it serves gRPC and Connect on one port, is healthy, and drains", async () => {
  const child = spawn(process.execPath, ["--conditions=source", fileURLToPath(program)], {
    env: { ...process.env, HOST: "127.0.0.1", PORT: "0", TOKEN_ISSUER: "http://issuer.test" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const { msg, url } = JSON.parse(line);
    if (msg !== "listening") continue;
    for (const transport of [grpc(url), connect1(url)]) {
      const { products } = await catalogAt(transport).listProducts({});
      expect(products).toMatchObject([{ sku: "TEA", name: "Tea", stock: 3n }]);
    }
    const ready = await fetch(`${url}/health/ready`);
    expect(await ready.json()).toEqual({ ready: true, dependencies: { stock: "up" } });
    const refused = await fetch(`${url}/order.v1.CatalogService/PutProduct`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(refused.status).toBe(401);
    child.kill("SIGTERM");
  }
  expect(await exit).toEqual([0, null]);
});

test("the README shows the example as it is", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  expect(readme).toContain(`\`\`\`ts\n${await readFile(program, "utf8")}\`\`\``);
});

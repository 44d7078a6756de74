import { catalogAt, connect1, host } from "./harness.ts";

// Serves calls and disposes of the service. The process must then end by itself: no process.exit.
const shop = await host({
  config: { defaultTimeoutMs: 30_000 },
  limits: { requestTimeoutMs: 30_000 },
});
await catalogAt(connect1(shop.url)).listProducts({});
await fetch(`${shop.url}/health/ready`, { headers: { connection: "close" } });
await shop[Symbol.asyncDispose]();
process.stdout.write("disposed\n");

import { catalogAt, connect1, host } from "./harness.ts";

// Serves calls, disposes of the service, and must then have nothing left to wait for. Ending it by
// hand would hide what this is for.
const shop = await host({
  config: { defaultTimeoutMs: 30_000 },
  limits: { requestTimeoutMs: 30_000 },
});
await catalogAt(connect1(shop.url)).listProducts({});
await fetch(`${shop.url}/health/ready`, { headers: { connection: "close" } });
await shop[Symbol.asyncDispose]();
process.stdout.write("disposed\n");

import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort, LOOPBACK } from "./free-port.ts";

test("a free port is none that an outgoing connection may get", async () => {
  for (let n = 0; n < 20; n++) {
    const port = await freePort();
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_768);
  }
});

test("a port that is taken is passed over; there is an end to trying", async () => {
  const taken = await freePort();
  const server = createServer().listen(taken, LOOPBACK);
  await once(server, "listening");
  const free = await freePort();
  const picks = [taken, taken, free];
  expect(await freePort(() => picks.shift() ?? 0)).toBe(free);
  await expect(freePort(() => taken)).rejects.toMatchObject({ code: "EADDRINUSE" });
  server.close();
});

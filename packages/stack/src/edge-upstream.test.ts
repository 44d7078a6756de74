import { expect, test } from "vitest";
import { serve } from "./edge.testing.ts";
import { Upstream } from "./edge-upstream.ts";

test.each([1, 2] as const)(
  "over HTTP/%i, calls beyond the limit are refused until one ends",
  async (version) => {
    await using service = await serve("order", (incoming, response) => {
      if (incoming.url === "/fast") response.end();
    });
    const upstream = new Upstream(service.url, 2);
    const open = (path: string) => {
      const exchange = upstream.open(version, { method: "POST", path, headers: {}, hasBody: true });
      exchange?.reply.catch(() => {});
      return exchange;
    };
    const held = open("/slow");
    const fast = open("/fast");
    expect(open("/fast")).toBeUndefined();
    fast?.request.end();
    (await fast?.reply)?.body.resume();
    await expect.poll(() => open("/slow") !== undefined).toBe(true);
    expect(open("/fast")).toBeUndefined();
    held?.abort();
    await expect.poll(() => open("/slow") !== undefined).toBe(true);
    upstream.close();
  },
);

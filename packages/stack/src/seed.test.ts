import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { expect, test } from "vitest";
import { readSeed } from "./catalog.ts";
import { seedCatalog } from "./seed.ts";

const OPERATOR = { email: "olivia@example.com", password: "a password" };

/** Serves a catalog whose first calls are refused with this code. */
async function catalogThatRefuses(times: number, code: Code) {
  const skus = new Set<string>();
  let left = times;
  const routes = (router: ConnectRouter) =>
    router
      .service(IdentityService, { login: () => ({ accessToken: "a token" }) })
      .service(CatalogService, {
        listProducts: () => ({ products: [...skus].map((sku) => ({ sku })) }),
        putProduct({ product }) {
          if (left-- > 0) throw new ConnectError("more work than it can do in time", code);
          skus.add(product?.sku ?? "");
          return product ?? {};
        },
      });
  const server = createServer(connectNodeAdapter({ routes })).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    skus,
    [Symbol.asyncDispose]: async () => {
      server.close().closeAllConnections();
      await once(server, "close");
    },
  };
}

test.each([Code.Unavailable, Code.ResourceExhausted])(
  "what a busy service refuses, with code %s, is tried again",
  async (code) => {
    await using catalog = await catalogThatRefuses(3, code);
    await seedCatalog(catalog.url, OPERATOR);
    expect([...catalog.skus].sort()).toEqual(
      readSeed()
        .map(({ product }) => product?.sku)
        .sort(),
    );
  },
);

test("another refusal ends the start, in the service's words", async () => {
  await using catalog = await catalogThatRefuses(1, Code.PermissionDenied);
  await expect(seedCatalog(catalog.url, OPERATOR)).rejects.toThrow(
    "the catalog cannot be filled: more work than it can do in time",
  );
});

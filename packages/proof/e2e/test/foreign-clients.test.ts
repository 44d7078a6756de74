import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { chromiumOnPath, onPath } from "@tercet/cli";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  browserClient,
  bundlePage,
  type OpenPage,
  openPage,
  type Site,
  servePage,
} from "./clients/browser/browser.ts";
import { failure } from "./clients/failure.ts";
import { buildGoClient, goClient } from "./clients/go-client.ts";
import { grpcurl } from "./clients/grpcurl.ts";
import { atEdge, type Targets } from "./clients/shop.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { journeySettings, type OpenShop, openShop, orderJourney } from "./journey.ts";
import { onlyV1Alpha } from "./only-v1alpha.ts";
import { patient } from "./patience.ts";
import { loggedErrors } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

/** The path of each tool; undefined, with a message, if it is missing. */
const [grpcurlPath, probePath, goPath, chromiumPath] = await Promise.all([
  ...["grpcurl", "grpc-health-probe", "go"].map((name) => required(name)),
  required("chromium", chromiumOnPath),
]);

async function required(name: string, find = onPath): Promise<string | undefined> {
  const path = await find(name);
  if (path === undefined)
    process.stderr.write(`WITHOUT ${name}: it makes no order journey and asks for no health\n`);
  return path;
}

const BUILD_MS = patient(10 * 60_000);

let folder: TestFolder;
let site: Site;
let script: string;
let stack: Stack;
let shop: OpenShop;

beforeAll(async () => {
  folder = await testFolder();
  script = await bundlePage();
  site = await servePage(script);
  stack = await startTestStack(folder, journeySettings);
  shop = await openShop(stack);
}, BUILD_MS);
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await site?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

describe.skipIf(grpcurlPath === undefined)("by grpcurl, through reflection", () => {
  orderJourney(
    () => shop,
    ({ urls }) => grpcurl(grpcurlPath ?? "", urls),
  );

  test("where there is only v1alpha of it", async () => {
    await using front = await onlyV1Alpha(stack.urls.order);
    const { stdout } = await promisify(execFile)(grpcurlPath ?? "", [
      "-plaintext",
      new URL(front.url).host,
      "list",
    ]);
    expect(stdout.split("\n")).toContain("order.v1.OrderService");
    using client = grpcurl(grpcurlPath ?? "", { ...stack.urls, order: front.url });
    const { products } = await client.shop().listProducts({ pageSize: 2, pageToken: "" });
    expect(products).toHaveLength(2);
    expect(await failure(client.shop().listOrders())).toEqual({
      code: "unauthenticated",
      reason: "UNAUTHENTICATED",
    });
  });
});

describe.skipIf(goPath === undefined)("by Go's generated client, through the edge", () => {
  let program: string;
  beforeAll(async () => {
    program = await buildGoClient();
  }, BUILD_MS);
  orderJourney(
    () => shop,
    (stack) => goClient(program, atEdge(stack)),
  );
});

describe.skipIf(chromiumPath === undefined)("by a browser's page from another origin", () => {
  describe.each([
    ["the edge", atEdge],
    ["the services' own ports", ({ urls }: Stack): Targets => urls],
  ])("at %s", (_name, targets) => {
    let open: OpenPage;
    beforeAll(async () => {
      open = await openPage(chromiumPath ?? "", site);
    });
    afterAll(() => open?.[Symbol.asyncDispose]());
    orderJourney(
      () => shop,
      (stack) => browserClient(open, targets(stack)),
    );

    test("the browser has asked each of them first", () => {
      const { identity, order, payment } = targets(stack);
      const origins = new Set(open.preflights.map((url) => new URL(url).origin));
      expect(origins).toEqual(new Set([identity, order, payment]));
    });

    test("it lets no page through whose origin is not in CORS_ORIGINS", async () => {
      await using stranger = await servePage(script, "stranger.localhost");
      await using other = await openPage(chromiumPath ?? "", stranger);
      using client = browserClient(other, targets(stack));
      expect(await failure(client.shop().listProducts({ pageSize: 2, pageToken: "" }))).toEqual({
        code: "unknown",
        reason: undefined,
      });
      expect(other.console.join("\n")).toContain(
        `from origin '${stranger.origin}' has been blocked by CORS policy`,
      );
    });
  });
});

describe.skipIf(probePath === undefined)("grpc-health-probe", () => {
  const probe = (url: string, service: string) =>
    promisify(execFile)(probePath ?? "", [
      "-addr",
      new URL(url).host,
      "-connect-timeout",
      "10s",
      "-rpc-timeout",
      "10s",
      "-service",
      service,
    ]);

  test.each([
    ["identity", "identity.v1.IdentityService"],
    ["order", "order.v1.OrderService"],
    ["payment", "payment.v1.PaymentService"],
    ["order", ""],
  ] as const)("%s serves %j", async (name, service) => {
    const { stdout, stderr } = await probe(stack.urls[name], service);
    expect(stdout + stderr).toContain("status: SERVING");
  });

  test("a service that is elsewhere is not healthy here", async () => {
    await expect(probe(stack.urls.order, "payment.v1.PaymentService")).rejects.toMatchObject({
      stderr: expect.stringMatching(/NotFound|unknown service/i),
    });
  });
});

describe("afterwards", () => {
  test("the provider has exactly the money of the confirmed orders", async () => {
    await expectInvariants(stack);
  });

  test("no service has logged an error", async () => {
    expect(await loggedErrors(stack)).toEqual([]);
  });
});

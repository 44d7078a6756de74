import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bufCurl } from "./clients/buf-curl.ts";
import { connectGrpc, connectGrpcWeb } from "./clients/connect.ts";
import { connectGet, connectJson } from "./clients/connect-json.ts";
import { grpcJs } from "./clients/grpc-js.ts";
import { atEdge, type ShopClient, type Targets } from "./clients/shop.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { journeySettings, type OpenShop, openShop, orderJourney } from "./journey.ts";
import { loggedErrors } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const atServices = ({ urls }: Stack): Targets => urls;
/** The second ports, as the system has them in production. */
const atSecondPorts = ({ ports }: Stack): Targets => ({
  identity: `http://127.0.0.1:${ports.edge_grpc}`,
  order: `http://127.0.0.1:${ports.edge_grpc}`,
  payment: `http://127.0.0.1:${ports.payment_grpc}`,
});

/** `buf curl` reads the contracts by reflection, which only the services' own ports have. */
const clients: readonly (readonly [string, (stack: Stack) => ShopClient])[] = [
  ["gRPC (connect-node)", (stack) => connectGrpc(atEdge(stack))],
  ["gRPC (@grpc/grpc-js)", (stack) => grpcJs(atSecondPorts(stack))],
  ["gRPC-Web (connect-web)", (stack) => connectGrpcWeb(atEdge(stack))],
  ["Connect JSON (fetch)", (stack) => connectJson(stack.urls.edge)],
  ["Connect GET (fetch)", (stack) => connectGet(stack.urls.edge)],
  ["gRPC (buf curl)", (stack) => bufCurl("grpc", atServices(stack))],
  ["gRPC-Web (buf curl)", (stack) => bufCurl("grpcweb", atEdge(stack))],
  ["Connect (buf curl)", (stack) => bufCurl("connect", atEdge(stack))],
];

let folder: TestFolder;
let stack: Stack;
let shop: OpenShop;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, journeySettings);
  shop = await openShop(stack);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

describe.concurrent.each(clients)("by %s", (_name, connect) => orderJourney(() => shop, connect));

describe("afterwards", () => {
  test("the provider has exactly the money of the confirmed orders", async () => {
    expect(Object.keys(await expectInvariants(stack)).sort()).toEqual([
      "CANCELLED",
      "CONFIRMED",
      "REJECTED",
    ]);
  });

  test("no service has logged an error", async () => {
    expect(await loggedErrors(stack)).toEqual([]);
  });
});

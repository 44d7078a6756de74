import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
} from "@tercet/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionV1Alpha } from "@tercet/gen/grpc/reflection/v1alpha/reflection";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { grpc, type Host, host } from "./harness.ts";

let shop: Host;
beforeAll(async () => {
  shop = await host({ orders: { getOrder: ({ orderId }) => ({ id: orderId }) } });
});
afterAll(() => shop[Symbol.asyncDispose]());

describe.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionV1Alpha as never as typeof ServerReflection],
])("grpc.reflection.%s", (_version, service) => {
  async function ask(
    ...requests: Omit<ServerReflectionRequest["messageRequest"] & object, "never">[]
  ) {
    async function* all() {
      for (const messageRequest of requests) yield { messageRequest: messageRequest as never };
    }
    const responses = [];
    for await (const { messageResponse } of createClient(
      service,
      grpc(shop.url),
    ).serverReflectionInfo(all()))
      responses.push(messageResponse);
    return responses;
  }
  const fileNames = (response: { case: string | undefined; value?: unknown } | undefined) => {
    if (response?.case !== "fileDescriptorResponse") return undefined;
    const { fileDescriptorProto } = response.value as { fileDescriptorProto: Uint8Array[] };
    return fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
  };

  test("lists the services, its own and health's too", async () => {
    const [response] = await ask({ case: "listServices", value: "" });
    const names =
      response?.case === "listServicesResponse" ? response.value.service.map((s) => s.name) : [];
    expect(names).toEqual([
      "order.v1.CatalogService",
      "order.v1.OrderService",
      "identity.v1.IdentityService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });

  test.each([
    "order.v1.OrderService",
    "order.v1.OrderService.GetOrder",
    "order.v1.Order",
    "order.v1.OrderStatus",
  ])("finds the file of %s, followed by its imports", async (value) => {
    const [first, ...rest] =
      fileNames((await ask({ case: "fileContainingSymbol", value }))[0]) ?? [];
    expect(first).toBe("order/v1/order_service.proto");
    expect(rest).toEqual(
      expect.arrayContaining([
        "common/v1/money.proto",
        "google/protobuf/timestamp.proto",
        "google/protobuf/descriptor.proto",
      ]),
    );
    expect(new Set(rest).size).toBe(rest.length);
  });

  test("knows the error details, to which no method refers", async () => {
    const [response] = await ask({ case: "fileContainingSymbol", value: "common.v1.ErrorInfo" });
    expect(fileNames(response)).toEqual(["common/v1/error.proto"]);
  });

  test("serves several requests in one stream: by name, by extension, and not found", async () => {
    const [file, extension, numbers, missing, symbol] = await ask(
      { case: "fileByFilename", value: "common/v1/money.proto" },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50100 } as never,
      },
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
      { case: "fileByFilename", value: "/etc/passwd" },
      { case: "fileContainingSymbol", value: "order.v1.Nothing" },
    );
    expect(fileNames(file)?.[0]).toBe("common/v1/money.proto");
    expect(fileNames(extension)?.[0]).toBe("common/v1/access.proto");
    expect(numbers).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { extensionNumber: [50100] },
    });
    expect(missing).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
    expect(symbol).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  });
});

describe("buf curl with nothing but the port", () => {
  const buf = fileURLToPath(new URL("../../../node_modules/.bin/buf", import.meta.url));
  const curl = async (...args: string[]) =>
    (await promisify(execFile)(buf, ["curl", ...args])).stdout;

  test.each([
    ["grpc", ["--http2-prior-knowledge"]],
    ["connect", ["--http2-prior-knowledge"]],
    ["grpcweb", ["--http2-prior-knowledge"]],
  ])("calls over %s", async (protocol, flags) => {
    const url = `${shop.url}/order.v1.CatalogService/ListProducts`;
    expect(
      JSON.parse(await curl("--protocol", protocol, ...flags, "-d", '{"pageSize":1}', url)),
    ).toEqual({
      products: [{ sku: "TEA", name: "Tea" }],
    });
  });

  test("calls with a token", async () => {
    const url = `${shop.url}/order.v1.OrderService/GetOrder`;
    const id = "0198a5a0-0000-7000-8000-000000000001";
    const header = `authorization: ${await shop.bearer("customer")}`;
    const flags = [
      "--http2-prior-knowledge",
      "--protocol",
      "grpc",
      "-H",
      header,
      "-d",
      JSON.stringify({ orderId: id }),
    ];
    expect(JSON.parse(await curl(...flags, url))).toEqual({ id });
  });

  test("lists methods", async () => {
    expect(
      await curl("--http2-prior-knowledge", "--protocol", "grpc", "--list-methods", shop.url),
    ).toContain("order.v1.OrderService/WatchOrder");
  });
});

import { gzipSync } from "node:zlib";
import {
  create,
  type DescMethod,
  type JsonObject,
  type Message,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { invalidField, RequestError } from "../src/errors.ts";
import { remainingMs } from "../src/host/call.ts";
import { principalKey } from "../src/host/principal.ts";
import { type Host, host, type LogLine } from "./harness.ts";
import { inParts, type LaneCall, recordTelemetry, send } from "./lanes.testing.ts";

const ORDER_ID = "0198A5A0-0000-7000-8000-000000000001";
const MAX_BYTES = 8_192;

/** What the handler does. */
interface Plan {
  /** Whether it uses its context. */
  readonly looks: boolean;
  readonly headers: readonly (readonly [string, string])[];
  readonly trailers: readonly (readonly [string, string])[];
  readonly waits: boolean;
  readonly fails: () => Error | undefined;
  /** Characters in the response. */
  readonly size: number;
}

let plan: Plan;
let seen: Record<string, unknown>[] = [];
const recorded = recordTelemetry();

const answer = async (
  context: HandlerContext,
  message: Message,
  response: (text: string) => Message,
) => {
  const { method } = context;
  const timeoutMs = context.timeoutMs();
  // The short way builds what a handler uses: some use nothing.
  if (plan.looks)
    seen.push({
      method: method.name,
      service: context.service.typeName,
      protocol: context.protocolName,
      requestMethod: context.requestMethod,
      path: new URL(context.url).pathname,
      message: toJson(method.input, message),
      headers: [...context.requestHeader].filter(([name]) => name !== "host"),
      absent: context.requestHeader.get("x-absent"),
      hasDeadline: timeoutMs !== undefined,
      seconds: Math.round((remainingMs(context) ?? 0) / 1_000),
      subject: context.values.get(principalKey)?.subject,
      aborted: context.signal.aborted,
    });
  for (const [name, value] of plan.headers) context.responseHeader.append(name, value);
  for (const [name, value] of plan.trailers) context.responseTrailer.append(name, value);
  if (plan.waits) await new Promise((resolve) => setImmediate(resolve));
  const failure = plan.fails();
  if (failure !== undefined) throw failure;
  return response("é".repeat(plan.size));
};

let lanes: readonly [lean: Host, stock: Host];
let tokens: Record<string, string>;
beforeAll(async () => {
  const start = (fastPath: boolean) =>
    host({
      config: { fastPath, readMaxBytes: MAX_BYTES, corsOrigins: ["http://shop.test"] },
      catalog: {
        listProducts: (message, context) =>
          answer(context, message, (name) => ({ products: [{ name }] }) as never) as never,
        putProduct: (message, context) =>
          answer(context, message, (name) => ({ name }) as never) as never,
      },
      orders: {
        getOrder: (message, context) =>
          answer(context, message, (customerId) => ({ customerId }) as never) as never,
      },
    });
  lanes = [await start(true), await start(false)];
  // One token for both: they trust the issuer of the first.
  tokens = {};
});
afterAll(async () => {
  for (const lane of lanes) await lane[Symbol.asyncDispose]();
});

/** What a lane did of a call. */
async function observe(lane: Host, call: LaneCall) {
  seen = [];
  (lane.log as LogLine[]).length = 0;
  recorded.measures.length = 0;
  recorded.spans.length = 0;
  const role = call.headers["authorization"] as string | undefined;
  const headers =
    role?.startsWith("role ") === true
      ? { ...call.headers, authorization: await bearer(lane, role.slice(5)) }
      : call.headers;
  const response = await send(lane.port, { ...call, headers });
  await new Promise((resolve) => setImmediate(resolve));
  return {
    response,
    seen: seen.map((one) => ({ ...one, headers: withoutToken(one["headers"]) })),
    log: lane.log.map(stableLine),
    measures: [...recorded.measures],
    spans: [...recorded.spans],
  };
}

const bearer = async (lane: Host, role: string) =>
  (tokens[`${lane.port} ${role}`] ??= await lane.bearer(role));

const withoutToken = (headers: unknown) =>
  (headers as [string, string][]).map(([name, value]) =>
    name === "authorization" ? [name, value.replace(/^Bearer .*/, "Bearer")] : [name, value],
  );

/** Without times, and ids that were made up. */
function stableLine({ time, duration_ms, correlation_id, err, ...line }: LogLine): LogLine {
  const { stack, ...error } = (err ?? {}) as Record<string, unknown>;
  const isNew = typeof correlation_id === "string" && correlation_id.length === 36;
  return { ...line, id: isNew ? "new" : correlation_id, timed: duration_ms !== undefined, error };
}

const listProducts = CatalogService.method.listProducts;
const putProduct = CatalogService.method.putProduct;
const getOrder = OrderService.method.getOrder;

/** Mostly what a client sends, now and then what none should. */
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: usual, weight: 12 }, { arbitrary: odd, weight: 1 });

const product = fc.record({
  sku: mostly(fc.constant("TEA"), fc.constant("tea")),
  name: mostly(fc.constantFrom("Tea", "Thé"), fc.constant("")),
  description: fc.constantFrom("", "x", "x".repeat(2_000)),
  price: mostly(
    fc.constant<{ currencyCode: string; minorUnits: bigint } | undefined>({
      currencyCode: "EUR",
      minorUnits: 1n,
    }),
    fc.constant(undefined),
  ),
});
const given: fc.Arbitrary<{ method: DescMethod; message: Record<string, unknown> }> = fc.oneof(
  fc.record({
    method: fc.constant(listProducts),
    message: fc.record({
      pageSize: mostly(fc.constantFrom(0, 7), fc.constant(-1)),
      pageToken: mostly(fc.constantFrom("", "abc"), fc.constant("not valid")),
    }),
  }),
  fc.record({
    method: fc.constant(getOrder),
    message: fc.record({ orderId: mostly(fc.constant(ORDER_ID), fc.constantFrom("", "x")) }),
  }),
  fc.record({
    method: fc.constant(putProduct),
    message: fc.record({ product, requestId: mostly(fc.constant(ORDER_ID), fc.constant("")) }),
  }),
);

const TYPES = [
  ...["grpc", "grpc+proto", "grpc+json", "grpc-web", "grpc-web+proto", "grpc-web+json"],
  ...["proto", "json"],
];
const ODD_TYPES = [
  "grpc-web-text",
  "connect+json",
  "JSON",
  "json; charset=utf-8",
  "xml",
  "grpc+xml",
];

const envelope = (message: Uint8Array, flags = 0, length = message.byteLength) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
};

function encoded(method: DescMethod, message: Record<string, unknown>, isJson: boolean): Buffer {
  const full = create(method.input, message);
  if (!isJson) return Buffer.from(toBinary(method.input, full));
  return Buffer.from(JSON.stringify(toJson(method.input, full) as JsonObject));
}

const damages: readonly ((bytes: Buffer) => Buffer)[] = [
  (bytes) => bytes.subarray(0, -1),
  (bytes) => Buffer.concat([bytes, bytes]),
  () => Buffer.alloc(0),
  (bytes) => Buffer.concat([Buffer.from([0xff, 0xff]), bytes]),
  (bytes) => gzipSync(bytes),
  () => Buffer.alloc(MAX_BYTES + 1, "a"),
  () => Buffer.from('{"pageSize":1,"pageSize":2}'),
  () => Buffer.from('{"unknown":1}'),
];
const framings: readonly ((message: Buffer) => Buffer)[] = [
  (message) => envelope(message, 1),
  (message) => envelope(message, 0x80),
  (message) => envelope(message, 2),
  (message) => envelope(message, 0, message.byteLength + 1),
  (message) => envelope(message, 0, MAX_BYTES * 2),
  (message) => Buffer.concat([envelope(message), envelope(message)]),
  (message) => Buffer.concat([envelope(message), Buffer.from([0, 0])]),
  (message) => message,
];
const asIs = (bytes: Buffer) => bytes;

const field = (...values: (string | undefined)[]) => fc.constantFrom(...values);
const ACCEPTED = ["gzip", "br, gzip", "identity", "identity,deflate,gzip", "zstd"];

const call: fc.Arbitrary<LaneCall> = fc
  .record({
    version: fc.constantFrom(1 as const, 2 as const),
    given,
    type: mostly(fc.constantFrom(...TYPES), fc.constantFrom(...ODD_TYPES)),
    query: mostly(fc.constant(""), fc.constant("?x=1")),
    damage: mostly(fc.constant(asIs), fc.constantFrom(...damages)),
    framing: mostly(fc.constant(envelope as (m: Buffer) => Buffer), fc.constantFrom(...framings)),
    sized: fc.boolean(),
    encoding: mostly(field(undefined, "identity"), field("gzip", "br", "zstd")),
    accepted: field(undefined, ...ACCEPTED),
    timeout: mostly(field(undefined, "5000"), field("0", "abc", "99999999", "30001")),
    id: field(undefined, "abc-1", "not valid"),
    origin: field(undefined, "http://shop.test", "http://other.test"),
    // Operators may call all of these methods, customers one.
    authorization: mostly(field("role operator"), field(undefined, "role customer", "Bearer x")),
    extra: field(undefined, "a", "a, b", "é"),
  })
  .chain(({ given: { method, message }, type, ...of }) => {
    const isGrpc = type.startsWith("grpc");
    const bytes = of.damage(encoded(method, message, /json/i.test(type)));
    const body = isGrpc ? of.framing(bytes) : bytes;
    const fields = {
      "content-type": `application/${type}`,
      [isGrpc ? "grpc-encoding" : "content-encoding"]: of.encoding,
      [isGrpc ? "grpc-accept-encoding" : "accept-encoding"]: of.accepted,
      [isGrpc ? "grpc-timeout" : "connect-timeout-ms"]:
        of.timeout !== undefined && isGrpc ? `${of.timeout}m` : of.timeout,
      "x-correlation-id": of.id,
      origin: of.origin,
      authorization: of.authorization,
      "x-extra": of.extra === "é" ? "\xe9" : of.extra,
      ...(isGrpc && of.version === 2 && { te: "trailers" }),
    };
    const headers = Object.fromEntries(
      Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    return inParts(body).map((parts) => ({
      version: of.version,
      path: `/${method.parent.typeName}/${method.name}${of.query}`,
      headers,
      body: parts,
      sized: of.sized,
    }));
  });

const failures: readonly (() => Error | undefined)[] = [
  () => new Error("a defect"),
  () => new RequestError("NOT_FOUND", "no such order"),
  () => invalidField("order_id", "is odd"),
  () => new RequestError("OVERLOADED", "later", {}, { retryAfterMs: 1_500 }),
  () => new ConnectError("no", Code.FailedPrecondition, { "x-why": "because", "grpc-status": "3" }),
  () =>
    new ConnectError("ü %", Code.Unknown, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "R" } },
    ]),
];
const metadata = fc.array(
  fc.constantFrom(
    ["x-a", "1"],
    ["x-a", "2"],
    ["x-b-bin", "AAE"],
    ["set-cookie", "c=1"],
    ["X-Up", "u"],
  ),
  { maxLength: 3 },
) as fc.Arbitrary<readonly (readonly [string, string])[]>;
const plans: fc.Arbitrary<Plan> = fc.record({
  headers: metadata,
  trailers: metadata,
  looks: fc.boolean(),
  waits: fc.boolean(),
  fails: mostly(
    fc.constant<() => Error | undefined>(() => undefined),
    fc.constantFrom(...failures),
  ),
  size: fc.constantFrom(0, 10, 5_000),
});

test("both lanes serve the same call alike", async () => {
  await fc.assert(
    fc.asyncProperty(call, plans, async (one, given) => {
      plan = given;
      const [lean, stock] = lanes;
      expect(await observe(lean, one)).toEqual(await observe(stock, one));
    }),
    { numRuns: 500 },
  );
});

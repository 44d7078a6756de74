import { readdir } from "node:fs/promises";
import {
  create,
  type DescFile,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";
import {
  CreateOrderRequestSchema,
  ListOrdersRequestSchema,
} from "@tercet/gen/order/v1/order_service";
import fc from "fast-check";
import { describe, expect, inject, test } from "vitest";
import { boundBinary, boundJson, MAX_VALUES } from "./message-bounds.ts";
import { validate } from "./validation.ts";

const MAX_BYTES = 65_536;
const ITEMS_TAG = 0x12;
/** 32,000 empty items in 64,000 bytes. */
const emptyItems = Buffer.alloc(64_000, Buffer.from([ITEMS_TAG, 0]));

const order = (items: number) =>
  create(CreateOrderRequestSchema, {
    requestId: "0198a5a0-0000-7000-8000-000000000001",
    items: Array.from({ length: items }, (_, i) => ({ sku: `TEA-${i}`, quantity: 1 })),
    paymentMethod: { token: "tok_ok" },
  });

const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("a repeated field", () => {
  test("may have as many items as its rule allows", () => {
    boundBinary(CreateOrderRequestSchema, toBinary(CreateOrderRequestSchema, order(50)));
    boundJson(CreateOrderRequestSchema, toJson(CreateOrderRequestSchema, order(50)));
  });

  test("with more items is refused by name, before anything is built", () => {
    for (const error of [
      thrown(() => boundBinary(CreateOrderRequestSchema, emptyItems)),
      thrown(() =>
        boundBinary(CreateOrderRequestSchema, toBinary(CreateOrderRequestSchema, order(51))),
      ),
      thrown(() => boundJson(CreateOrderRequestSchema, { items: Array(32_000).fill({}) })),
    ])
      expect(ConnectError.from(error).message).toBe(
        "[invalid_argument] items: must contain no more than 50 item(s) [repeated.max_items]",
      );
  });

  test("the validator says the same", () => {
    expect(
      ConnectError.from(thrown(() => validate(CreateOrderRequestSchema, order(51)))).message,
    ).toBe("[invalid_argument] items: must contain no more than 50 item(s) [repeated.max_items]");
  });
});

test("unknown fields count too", () => {
  const unknown = Buffer.alloc(3 * (MAX_VALUES + 1), Buffer.from([0xa2, 0x06, 0]));
  boundBinary(ListOrdersRequestSchema, unknown.subarray(0, 3 * MAX_VALUES));
  expect(() => boundBinary(ListOrdersRequestSchema, unknown)).toThrow("more than 2000 values");
  const names = Array.from({ length: MAX_VALUES + 1 }, (_, i) => [`x${i}`, 1]);
  expect(() => boundJson(ListOrdersRequestSchema, Object.fromEntries(names))).toThrow(
    "more than 2000 values",
  );
});

test("a name that is none of its enum's is refused", () => {
  expect(() => boundJson(ListOrdersRequestSchema, { status: "ORDER_STATUS_CONFIRMD" })).toThrow(
    "status: must be the name of a OrderStatus",
  );
  boundJson(ListOrdersRequestSchema, { status: "ORDER_STATUS_CONFIRMED", else: "ORDER" });
  boundJson(ListOrdersRequestSchema, { status: 2 });
});

test("what the decoder refuses or misreads does not pass unnoticed", () => {
  const valid = toBinary(CreateOrderRequestSchema, order(3));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.nat(valid.length),
      (changes, length) => {
        const bytes = valid.slice(0, Math.max(1, length));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        if (thrown(() => boundBinary(CreateOrderRequestSchema, bytes)) !== undefined) return;
        const read = thrown(() => fromBinary(CreateOrderRequestSchema, bytes));
        // Only what a scan of tags and lengths cannot see.
        if (read !== undefined) expect(String(read)).toMatch(/utf-8|varint/i);
      },
    ),
    { numRuns: 5_000 },
  );
});

const violationsIn = ({ details }: ConnectError): number =>
  details.flatMap((detail) =>
    "value" in detail && "violations" in detail.value ? detail.value.violations : [],
  ).length;

/** Every file of our contracts. */
async function contracts(): Promise<DescFile[]> {
  const root = new URL("../../../../gen/src/", import.meta.url);
  const paths = (await readdir(root, { recursive: true })).filter((path) =>
    /^(?!google|buf).*_pb\.js$/.test(path),
  );
  const modules = await Promise.all(paths.map((path) => import(new URL(path, root).href)));
  return modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, value]) =>
      name.startsWith("file_") ? [value as DescFile] : [],
    ),
  );
}

/** Messages of `MAX_BYTES` that cost most: items, unknown fields, long text, deep nesting. */
function* worst(method: DescMethod): Iterable<Uint8Array> {
  const fill = (head: Uint8Array) => Buffer.alloc(MAX_BYTES - (MAX_BYTES % head.length), head);
  yield fill(new BinaryWriter().tag(15_000, 2).bytes(new Uint8Array()).finish());
  for (const field of method.input.fields) {
    const text = "é".repeat((MAX_BYTES - 20) / 2);
    yield new BinaryWriter().tag(field.number, 2).string(text).finish();
    yield fill(new BinaryWriter().tag(field.number, 2).bytes(new Uint8Array()).finish());
    yield fill(new BinaryWriter().tag(field.number, 0).uint32(1).finish());
    yield new BinaryWriter()
      .tag(field.number, 2)
      .bytes(new Uint8Array(MAX_BYTES - 20).fill(1))
      .finish();
  }
}

function* worstJson(method: DescMethod): Iterable<JsonValue> {
  for (const { jsonName } of method.input.fields) {
    yield { [jsonName]: Array(21_000).fill({}) };
    yield { [jsonName]: "\u{1f600}".repeat(16_000) };
    yield { [jsonName]: { [jsonName]: Array(21_000).fill(0) } };
  }
}

/** On a busy machine, others interrupt a run. */
const MAX_RUNS = 10;

test("no message of any RPC takes longer than its budget, nor gets an answer that grows with it", async () => {
  const budgetMs = 25 * inject("timeFactor");
  const methods = (await contracts()).flatMap((file) =>
    file.services.flatMap((service) => service.methods),
  );
  expect(methods.length).toBeGreaterThan(25);
  const slow: string[] = [];
  for (const method of methods) {
    const { input } = method;
    const decoders = [
      ...[...worst(method)].map((bytes) => () => {
        boundBinary(input, bytes);
        validate(input, fromBinary(input, bytes));
      }),
      ...[...worstJson(method)].map((json) => () => {
        boundJson(input, json);
        validate(input, fromJson(input, json));
      }),
    ];
    for (const decode of decoders) {
      // The first run compiles rules; of the others, the shortest is the work itself.
      let shortestMs = Number.POSITIVE_INFINITY;
      for (let run = 0; run < MAX_RUNS && shortestMs > budgetMs; run++) {
        const started = performance.now();
        const error = thrown(decode);
        const tookMs = performance.now() - started;
        // The host shortens those of decoders.
        if (error instanceof ConnectError) {
          expect(error.message.length).toBeLessThan(2_000);
          expect(violationsIn(error)).toBeLessThanOrEqual(5);
        }
        shortestMs = Math.min(shortestMs, tookMs);
      }
      if (shortestMs > budgetMs) slow.push(`${method}: ${shortestMs} ms`);
    }
  }
  expect(slow).toEqual([]);
});

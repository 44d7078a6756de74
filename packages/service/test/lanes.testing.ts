import http from "node:http";
import http2 from "node:http2";
import {
  type Attributes,
  createNoopMeter,
  type Meter,
  metrics,
  type Span,
  trace,
} from "@opentelemetry/api";
import fc from "fast-check";
import { afterAll } from "vitest";

/** A call in bytes and headers, and what its handler does. */
export interface LaneCall {
  readonly version: 1 | 2;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The parts in which it is sent. */
  readonly body: readonly Uint8Array[];
  /** Whether a `content-length` says how long it is. */
  readonly sized: boolean;
}

/** A response without what no two of them share: dates, and ids that were made up. */
export interface LaneResponse {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** In base64. */
  readonly body: string;
}

/** Sends the call and resolves to its response; without a status if there was none. */
export function send(port: number, call: LaneCall): Promise<LaneResponse> {
  const length = call.body.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const headers = { ...call.headers, ...(call.sized && { "content-length": String(length) }) };
  return call.version === 1 ? send1(port, { ...call, headers }) : send2(port, { ...call, headers });
}

function send1(port: number, { path, headers, body, sized }: LaneCall): Promise<LaneResponse> {
  return new Promise((resolve) => {
    const options = { port, host: "127.0.0.1", method: "POST", path };
    const request = http.request({ ...options, headers: headers as never, agent: false });
    request.on("error", () => resolve(noResponse));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("close", () =>
        resolve({
          status: response.statusCode,
          headers: stable(response.headers),
          trailers: { ...response.trailers },
          body: Buffer.concat(chunks).toString("base64"),
        }),
      );
    });
    for (const part of body) request.write(part);
    if (!sized && body.length === 0) request.removeHeader("content-length");
    request.end();
  });
}

function send2(port: number, { path, headers, body }: LaneCall): Promise<LaneResponse> {
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on("error", () => resolve(noResponse));
    const stream = session.request({ ":method": "POST", ":path": path, ...(headers as object) });
    const chunks: Buffer[] = [];
    let given: http2.IncomingHttpHeaders | undefined;
    let trailers: Record<string, unknown> = {};
    stream.on("response", (fields) => {
      given = fields;
    });
    stream.on("trailers", (fields) => {
      trailers = { ...fields };
    });
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      session.destroy();
      if (given === undefined) return resolve(noResponse);
      const { ":status": status, ...fields } = given;
      const all = Buffer.concat(chunks).toString("base64");
      resolve({ status: Number(status), headers: stable(fields), trailers, body: all });
    });
    for (const part of body) stream.write(part);
    stream.end();
  });
}

const noResponse: LaneResponse = { status: undefined, headers: {}, trailers: {}, body: "" };

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

function stable(given: object): Record<string, unknown> {
  const { date, ...headers } = given as Record<string, unknown>;
  const id = headers["x-correlation-id"];
  return typeof id === "string" && UUID.test(id)
    ? { ...headers, "x-correlation-id": "new" }
    : headers;
}

/** What a service reports about its calls. */
export interface Measured {
  readonly measures: Attributes[];
  readonly spans: { name: string; ended: boolean; status?: number; attributes: Attributes }[];
}

/** Records the measures and spans of this process until the tests of this file end. */
export function recordTelemetry(): Measured {
  const recorded: Measured = { measures: [], spans: [] };
  const meter: Meter = Object.assign(Object.create(createNoopMeter()), {
    createHistogram: (name: string) => ({
      record: (_value: number, attributes: Attributes) =>
        void recorded.measures.push({ name, ...attributes }),
    }),
  });
  metrics.setGlobalMeterProvider({ getMeter: () => meter });
  const startSpan = (name: string, { attributes = {} }: { attributes?: Attributes } = {}) => {
    const span: Measured["spans"][number] = { name, ended: false, attributes: { ...attributes } };
    recorded.spans.push(span);
    const handle = {
      spanContext: () => ({ traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 }),
      setAttribute: (key: string, value: string) => {
        span.attributes[key] = value;
        return handle;
      },
      setStatus: ({ code }: { code: number }) => {
        span.status = code;
        return handle;
      },
      end: () => {
        span.ended = true;
      },
    };
    return handle as unknown as Span;
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) as never });
  // The next file of this worker may record too: a second provider is not accepted.
  afterAll(() => {
    metrics.disable();
    trace.disable();
  });
  return recorded;
}

/** Splits bytes at arbitrary places. */
export const inParts = (bytes: Uint8Array): fc.Arbitrary<readonly Uint8Array[]> =>
  fc.array(fc.nat({ max: bytes.byteLength }), { maxLength: 2 }).map((cuts) => {
    const ends = [0, ...cuts.sort((a, b) => a - b), bytes.byteLength];
    return ends.slice(1).map((end, index) => bytes.subarray(ends[index], end));
  });

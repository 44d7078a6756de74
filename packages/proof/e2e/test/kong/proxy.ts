import http from "node:http";
import http2 from "node:http2";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Code } from "@connectrpc/connect";
import { type KongConfig, normalized, type Routed, routeOf } from "@tercet/gateway";
import { type Exchange, flat, type Headers } from "./exchange.ts";
import { behavioursFor, type Call, type Refusal } from "./plugins.ts";
import { UpstreamPool } from "./upstream-pool.ts";

const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 3,
  404: 5,
  413: 3,
  415: 3,
  426: 3,
  429: 8,
  500: 13,
  502: 13,
  503: 14,
  504: 4,
};

/** Routes a call, runs the plugins, and calls the service. */
export class KongProxy {
  readonly #config: KongConfig;
  readonly #upstreams: ReadonlyMap<string, URL>;
  readonly #pool: UpstreamPool;
  /** The counters of the rate limits. */
  readonly #counters = new Map<string, number>();

  constructor(config: KongConfig, upstreams: Readonly<Record<string, string>>, poolSize?: number) {
    this.#config = config;
    this.#pool = new UpstreamPool(poolSize);
    const hosts = config.services.map(({ host }) => host);
    const unknown = hosts.filter((host) => !Object.hasOwn(upstreams, host));
    if (unknown.length > 0) throw new Error(`no upstream for ${unknown.join(", ")}`);
    const repeating = config.services.filter(({ retries }) => retries > 0);
    if (repeating.length > 0)
      throw new Error(
        `retries of ${repeating.map(({ name }) => name).join(", ")} are not interpreted`,
      );
    this.#upstreams = new Map(hosts.map((host) => [host, new URL(String(upstreams[host]))]));
  }

  close(): void {
    this.#pool.closeAll();
  }

  async handle(exchange: Exchange): Promise<void> {
    try {
      await this.#route(exchange);
    } catch (error) {
      refuse(exchange, { status: 500, message: String(error) });
    }
  }

  async #route(exchange: Exchange): Promise<void> {
    const [path = "", query = ""] = exchange.target.split(/\?(.*)/s);
    const contentType = exchange.headers["content-type"];
    const isGrpc = contentType?.startsWith("application/grpc") === true;
    const routed = routeOf(this.#config, { method: exchange.method, path, contentType });
    if (routed === undefined)
      return refuse(exchange, { status: 404, message: "no Route matched with those values" });
    if (routed.service.protocol === "grpc") {
      if (!isGrpc)
        return refuse(exchange, { status: 415, message: "Non-gRPC request matched gRPC route" });
      if (exchange.version !== 2)
        return refuse(exchange, { status: 426, message: "Please use HTTP2 protocol" });
    }
    // Kong reads a request's body before it calls the service; no method takes a stream of
    // messages.
    const call: Call = {
      method: exchange.method,
      path: normalized(path),
      query: new URLSearchParams(query),
      headers: { ...exchange.headers },
      body: await buffer(exchange.body),
      clientIp: exchange.clientIp,
    };
    const behaviours = behavioursFor(this.#config, routed, this.#counters);
    const filter = (headers: Headers) => {
      for (const { headerFilter } of behaviours) headerFilter?.(headers, call);
      return headers;
    };
    for (const { access } of behaviours) {
      const refusal = access?.(call);
      if (refusal !== undefined) return refuse(exchange, refusal, filter);
    }
    if (routed.service.protocol === "grpc") this.#byGrpc(routed, call, exchange, filter);
    else this.#byHttp(routed, call, exchange, filter);
  }

  #byHttp(
    { service, route }: Routed,
    { method, path, query, headers, body }: Call,
    exchange: Exchange,
    filter: Filter,
  ): void {
    const { address, url } = this.#upstreamOf(service);
    const connection = this.#pool.take(address, "http", url);
    if (connection.protocol === "grpc") {
      this.#pool.close(connection);
      rawFrames(exchange, filter);
      return;
    }
    const { "content-length": _, ...others } = headers;
    const asked = http.request({
      host: url.hostname,
      port: url.port,
      agent: connection.agent,
      method,
      path: query.size === 0 ? path : `${path}?${query}`,
      headers: {
        ...others,
        ...(body.length > 0 && { "content-length": body.length }),
        "x-forwarded-for": exchange.clientIp,
      },
    });
    asked.setTimeout(service.read_timeout, () => asked.destroy(new Late()));
    asked.on("error", (error) => {
      this.#pool.close(connection);
      failed(exchange, error, filter);
    });
    asked.on("response", (answer) => {
      const held = !("response_buffering" in route && route.response_buffering === false);
      // Its socket becomes free after the last event of the call.
      asked.once("close", () =>
        answer.complete
          ? setImmediate(() => this.#pool.release(address, connection))
          : this.#pool.close(connection),
      );
      void passOn(answer, held, exchange, filter).catch((error) => failed(exchange, error, filter));
    });
    exchange.duplex.once("close", () => asked.destroy());
    asked.end(body);
  }

  #byGrpc(
    { service }: Routed,
    { method, path, headers, body }: Call,
    exchange: Exchange,
    filter: Filter,
  ): void {
    const { address, url } = this.#upstreamOf(service);
    const connection = this.#pool.take(address, "grpc", url);
    if (connection.protocol === "http") {
      this.#pool.close(connection);
      failed(exchange, new Error("HTTP/1.1 400 is no frame of HTTP/2"), filter);
      return;
    }
    const { host: _, "content-length": __, ...others } = headers;
    const asked = connection.session.request({
      ":method": method,
      ":path": path,
      ...others,
      te: "trailers",
    });
    asked.setTimeout(service.read_timeout, () => asked.destroy(new Late()));
    asked.on("error", (error) => failed(exchange, error, filter));
    asked.on("response", ({ ":status": status = 0, ...answer }) =>
      exchange.respond(status, filter(flat(answer))),
    );
    asked.on("trailers", (trailers) => exchange.trailers(flat(trailers)));
    asked.pipe(exchange.duplex);
    exchange.duplex.once("close", () => {
      if (!asked.readableEnded) asked.close(http2.constants.NGHTTP2_CANCEL);
    });
    asked.once("close", () =>
      asked.rstCode === http2.constants.NGHTTP2_NO_ERROR
        ? this.#pool.release(address, connection)
        : this.#pool.close(connection),
    );
    asked.end(body);
  }

  /** Where a service is for Kong, and where it is in this test. */
  #upstreamOf({ host, port }: Routed["service"]): { address: string; url: URL } {
    const url = this.#upstreams.get(host);
    if (url === undefined) throw new Error(`no upstream for ${host}`);
    return { address: `${host}:${port}`, url };
  }
}

type Filter = (headers: Headers) => Headers;

class Late extends Error {
  override readonly message = "no response within read_timeout";
}

/** nginx delays a response until its buffers are full, at worst until its end. */
async function passOn(
  answer: http.IncomingMessage,
  held: boolean,
  exchange: Exchange,
  filter: Filter,
): Promise<void> {
  const body = held ? [await buffer(answer)] : answer;
  exchange.respond(answer.statusCode ?? 0, filter(flat(answer.headers)));
  await pipeline(body, exchange.duplex);
}

function failed(exchange: Exchange, error: Error, filter: Filter): void {
  // As nginx does, and not for the caller.
  process.stderr.write(`upstream of ${exchange.target}: ${error.message}\n`);
  if (error instanceof Late)
    refuse(exchange, { status: 504, message: "The upstream server is timing out" }, filter);
  else
    refuse(
      exchange,
      { status: 502, message: "An invalid response was received from the upstream server" },
      filter,
    );
}

/** GOAWAY (PROTOCOL_ERROR), which an HTTP/2 server sends to a client of HTTP/1.1. */
const GOAWAY = Buffer.from("0000080700000000000000000000000001", "hex");

/** nginx takes what does not begin with a status line for the body of an HTTP/0.9 response. */
function rawFrames(exchange: Exchange, filter: Filter): void {
  exchange.respond(200, filter({}));
  exchange.duplex.end(GOAWAY);
}

/**
 * For gRPC, Kong puts the error in headers, of which the message is the code's name, and keeps the
 * HTTP status.
 */
function refuse(
  exchange: Exchange,
  { status, message, headers = {} }: Refusal,
  filter: Filter = (same) => same,
): void {
  if (exchange.headersSent) exchange.duplex.destroy();
  if (exchange.duplex.destroyed) return;
  const isGrpc =
    exchange.version === 2 && exchange.headers["content-type"]?.startsWith("application/grpc");
  const grpcStatus = GRPC_STATUS[status] ?? Code.Unknown;
  if (message === undefined) exchange.respond(status, filter({ ...headers }));
  else if (isGrpc)
    exchange.respond(
      status,
      filter({
        ...headers,
        "content-type": "application/grpc",
        "grpc-status": String(grpcStatus),
        "grpc-message": Code[grpcStatus] ?? "",
      }),
    );
  else
    exchange.respond(
      status,
      filter({ ...headers, "content-type": "application/json; charset=utf-8" }),
    );
  const body = { message, request_id: crypto.randomUUID().replaceAll("-", "") };
  exchange.duplex.end(message === undefined || isGrpc ? undefined : JSON.stringify(body));
}

/**
 * `node dist/grpc-health-probe.js -addr=:5012 [-service=NAME]`: asks grpc.health.v1, with the
 * options and exit codes of grpc_health_probe, for probes that run a command in the container. Like
 * healthcheck.ts it imports nothing else, because it runs every few seconds.
 */
import { connect } from "node:http2";
import { parseArgs } from "node:util";

const USAGE = `Usage: node grpc-health-probe.js -addr=HOST:PORT [OPTION]...

Exits with 0 if grpc.health.v1.Health/Check returns SERVING.

  -addr=HOST:PORT         the server; ":5012" is on this machine
  -service=NAME           the service to ask for; by default the whole server
  -connect-timeout=1s     for the connection, in s or ms
  -rpc-timeout=1s         for the response

Exit codes: 1 wrong options, 2 no connection, 3 no response or an error, 4 not serving.
`;

const [WRONG_OPTIONS, NO_CONNECTION, NO_RESPONSE, NOT_SERVING] = [1, 2, 3, 4];
/** HealthCheckResponse.ServingStatus. */
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

const options = readOptions();
const session = connect(`http://${options.addr}`).on("error", ({ message }) =>
  fail(NO_CONNECTION, `no connection to ${options.addr}: ${message}`),
);
const connecting = setTimeout(
  () => fail(NO_CONNECTION, `no connection to ${options.addr} in ${options.connectMs} ms`),
  options.connectMs,
);
// A TCP connection is not enough: a port forwarder accepts one for a server that is away.
session.once("remoteSettings", () => {
  clearTimeout(connecting);
  check();
});

function check(): void {
  setTimeout(() => fail(NO_RESPONSE, `no response in ${options.rpcMs} ms`), options.rpcMs);
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const body: Buffer[] = [];
  let grpcStatus: unknown;
  stream
    .on("response", (headers) => (grpcStatus ??= headers["grpc-status"]))
    .on("trailers", (trailers) => (grpcStatus ??= trailers["grpc-status"]))
    .on("data", (chunk: Buffer) => void body.push(chunk))
    .on("error", ({ message }) => fail(NO_RESPONSE, message))
    .on("end", () => {
      if (grpcStatus !== "0") fail(NO_RESPONSE, `the server returned grpc-status ${grpcStatus}`);
      report(Buffer.concat(body));
    })
    .end(request(options.service));
}

function report(body: Buffer): never {
  // A prefix of five bytes, then field 1 as a varint, which is left out if it is 0.
  const status = STATUSES[body[5] === 0x08 ? (body[6] ?? 0) : 0] ?? "UNKNOWN";
  if (status !== "SERVING") fail(NOT_SERVING, `status: ${status}`);
  process.stdout.write("status: SERVING\n");
  process.exit(0);
}

/** HealthCheckRequest with field 1, `service`, as a length-prefixed message of gRPC. */
function request(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, name.length), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      // grpc_health_probe takes one hyphen or two.
      args: process.argv.slice(2).map((arg) => arg.replace(/^-(?=\w)/, "--")),
      options: {
        addr: { type: "string", default: "" },
        service: { type: "string", default: "" },
        "connect-timeout": { type: "string", default: "1s" },
        "rpc-timeout": { type: "string", default: "1s" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const [, host = "", port] = /^(.*):(\d+)$/.exec(values.addr) ?? [];
    if (port === undefined) throw new Error("-addr must be HOST:PORT");
    // A length of one byte; names of services are far shorter.
    if (Buffer.byteLength(values.service) > 127) throw new Error("-service is too long");
    return {
      addr: `${host || "127.0.0.1"}:${port}`,
      service: values.service,
      connectMs: milliseconds(values["connect-timeout"]),
      rpcMs: milliseconds(values["rpc-timeout"]),
    };
  } catch (error) {
    return fail(WRONG_OPTIONS, `${(error as Error).message}\n\n${USAGE}`);
  }
}

function milliseconds(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text) ?? [];
  if (amount === undefined) throw new Error(`${text} is no time in s or ms`);
  return Number(amount) * (unit === "s" ? 1_000 : 1);
}

function fail(code: number | undefined, why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(code);
}

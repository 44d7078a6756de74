// `helm test`: asks each service by gRPC (grpc.health.v1) whether it can do its work. SERVICES:
// "http://order:5011/order.v1.OrderService ...". Asks again for WAIT_SECONDS, 30 by default:
// network plugins begin to let a new pod through a while after it has started.
import { connect, constants } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";

const SERVING = 1;
const TIMEOUT_MS = 10_000;
const PAUSE_MS = 500;
const deadline = Date.now() + Number(process.env.WAIT_SECONDS ?? "30") * 1_000;

const problems = [];
for (const address of process.env.SERVICES.split(/\s+/)) {
  const { origin, pathname } = new URL(address);
  const service = pathname.slice(1);
  const status = await settled(origin, service);
  process.stdout.write(`${service} at ${origin}: ${status === SERVING ? "SERVING" : status}\n`);
  if (status !== SERVING) problems.push(service);
}
process.exit(problems.length === 0 ? 0 : 1);

async function settled(origin, service) {
  for (;;) {
    const status = await check(origin, service).catch((error) => error.message);
    if (status === SERVING || Date.now() > deadline) return status;
    await sleep(PAUSE_MS);
  }
}

/** HealthCheckResponse.status. */
async function check(origin, service) {
  const session = connect(origin);
  const failed = new Promise((_, reject) => session.once("error", reject));
  try {
    return await Promise.race([failed, answer(session, service)]);
  } finally {
    session.destroy();
  }
}

async function answer(session, service) {
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.setTimeout(TIMEOUT_MS, () => stream.destroy(new Error("no answer")));
  let grpcStatus;
  stream.on("response", (headers) => (grpcStatus ??= headers["grpc-status"]));
  stream.on("trailers", (trailers) => (grpcStatus ??= trailers["grpc-status"]));
  stream.end(framed(Buffer.concat([Buffer.of(0x0a, service.length), Buffer.from(service)])));
  const body = Buffer.concat(await stream.toArray());
  if (grpcStatus !== "0") throw new Error(`grpc-status ${grpcStatus}`);
  // A prefix of five bytes, then field 1 as a varint; 0 is left out.
  return body[5] === 0x08 ? body[6] : 0;
}

/** Not compressed, and its length (gRPC over HTTP/2, Length-Prefixed-Message). */
function framed(message) {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

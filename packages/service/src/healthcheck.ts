/**
 * `node dist/healthcheck.js`: ends with 0 when the service at this machine's PORT says that it is ready. For container engines, in whose image there is no
 * other program that could ask; Kubernetes asks grpc.health.v1 by itself. It loads nothing else: it runs every few seconds.
 */
import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";

const TIMEOUT_MS = 2_000;

const { PORT = "", TLS_CERT = "" } = process.env;
const get = TLS_CERT === "" ? getHttp : getHttps;
// The certificate is for the service's name, not for this machine's own address.
const options = { host: "127.0.0.1", port: PORT, path: "/health/ready", timeout: TIMEOUT_MS, rejectUnauthorized: false };
get(options, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on("timeout", () => fail(`no answer in ${TIMEOUT_MS / 1000} s`))
  .on("error", ({ message }) => fail(message));

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

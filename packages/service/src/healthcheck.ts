/**
 * `node dist/healthcheck.js`: ends with 0 when the service at this machine's PORT says that it is
 * ready. For container engines, in whose image there is no other program that could ask; Kubernetes
 * asks grpc.health.v1 by itself. It loads nothing else, for it runs every few seconds.
 */
import { readFileSync } from "node:fs";
import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";

const TIMEOUT_MS = 2_000;

const { PORT = "", TLS_CERT = "", TLS_KEY = "" } = process.env;
const at = { host: "127.0.0.1", port: PORT, path: "/health/ready", timeout: TIMEOUT_MS };
const answer =
  TLS_CERT === ""
    ? getHttp(at)
    : // The certificate names the service, not this address. It is also shown to a service that asks
      // its callers for theirs.
      getHttps({
        ...at,
        rejectUnauthorized: false,
        cert: readFileSync(TLS_CERT),
        key: readFileSync(TLS_KEY),
      });
answer
  .on("response", ({ statusCode }) =>
    statusCode === 200 ? process.exit(0) : fail(`HTTP ${statusCode}`),
  )
  .on("timeout", () => fail(`no answer in ${TIMEOUT_MS / 1000} s`))
  .on("error", ({ message }) => fail(message));

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

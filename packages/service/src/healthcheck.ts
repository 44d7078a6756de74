/**
 * `node dist/healthcheck.js`: exits with 0 if the service on PORT of this machine is ready. For
 * container engines, as the image has no other HTTP client; Kubernetes uses grpc.health.v1. It
 * imports nothing else, because it runs every few seconds.
 */
import { readFileSync } from "node:fs";
import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";

const TIMEOUT_MS = 2_000;

const { PORT = "", TLS_CERT = "", TLS_KEY = "" } = process.env;
const at = { host: "127.0.0.1", port: PORT, path: "/health/ready", timeout: TIMEOUT_MS };
const request =
  TLS_CERT === ""
    ? getHttp(at)
    : // The certificate names the service, not this address. It doubles as the client certificate.
      getHttps({
        ...at,
        rejectUnauthorized: false,
        cert: readFileSync(TLS_CERT),
        key: readFileSync(TLS_KEY),
      });
request
  .on("response", ({ statusCode }) =>
    statusCode === 200 ? process.exit(0) : fail(`HTTP ${statusCode}`),
  )
  .on("timeout", () => fail(`no response in ${TIMEOUT_MS / 1000} s`))
  .on("error", ({ message }) => fail(message));

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

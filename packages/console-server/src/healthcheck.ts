/**
 * `node dist/healthcheck.js`: exits with 0 if the server on PORT of this machine is ready. For
 * container engines, as the image has no other program.
 */
import { get } from "node:http";

const TIMEOUT_MS = 2_000;

const { PORT = "8080" } = process.env;
get({ host: "127.0.0.1", port: PORT, path: "/health/ready", timeout: TIMEOUT_MS })
  .on("response", ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on("timeout", () => process.exit(1))
  .on("error", () => process.exit(1));

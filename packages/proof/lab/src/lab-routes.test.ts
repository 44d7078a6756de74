import { expect, test } from "vitest";
import { isOwnPage } from "./lab-routes.ts";

const JSON_TYPE = { "content-type": "application/json" };
const post = (headers: Record<string, string>) =>
  isOwnPage({ method: "POST", headers: { host: "127.0.0.1:8000", ...JSON_TYPE, ...headers } });

test.each([
  [{}],
  [{ origin: "http://127.0.0.1:8000", "sec-fetch-site": "same-origin" }],
  [{ host: "localhost:8000", origin: "http://localhost:8000" }],
  [{ host: "[::1]:8000" }],
])("the console's own page may: %o", (headers) => {
  expect(post(headers)).toBe(true);
});

test.each([
  ["another origin of this machine", { origin: "http://localhost:5173" }],
  ["another port", { origin: "http://127.0.0.1:9000" }],
  ["a name that resolves to this machine", { host: "evil.example:8000" }],
  ["a name that only begins like one", { host: "localhost.evil.example" }],
  ["another site", { "sec-fetch-site": "cross-site" }],
  ["another port, as the browser says it", { "sec-fetch-site": "same-site" }],
  ["a form", { "content-type": "text/plain" }],
])("%s may not", (_, headers) => {
  expect(post(headers)).toBe(false);
});

test("reading needs no content type, and the same origin", () => {
  const get = (headers: Record<string, string>) =>
    isOwnPage({ method: "GET", headers: { host: "localhost:8000", ...headers } });
  expect(get({})).toBe(true);
  expect(get({ "sec-fetch-site": "cross-site" })).toBe(false);
});

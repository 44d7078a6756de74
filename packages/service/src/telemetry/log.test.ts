import { expect, test } from "vitest";
import { createLogger } from "./log.ts";

const SECRET_NAMES = [
  ...["password", "token", "secret", "authorization", "cookie", "set-cookie"],
  ...[
    "Authorization",
    "password_hash",
    "passwordHash",
    "access_token",
    "accessToken",
    "refresh_token",
    "refreshToken",
    "client_secret",
    "clientSecret",
  ],
];

function lines(level = "info") {
  const written: string[] = [];
  return {
    written,
    log: createLogger({ name: "shop", level }, { write: (line) => void written.push(line) }),
  };
}

test("a line is JSON with the service, a readable level and time", () => {
  const { log, written } = lines();
  log.info({ order: 7 }, "placed");
  expect(JSON.parse(written[0] ?? "")).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    service: "shop",
    order: 7,
    msg: "placed",
  });
});

test("lines below the level are dropped", () => {
  const { log, written } = lines("warn");
  log.info("not this");
  log.warn("this");
  expect(written).toHaveLength(1);
});

test.each(SECRET_NAMES)("%s is redacted at any depth", (name) => {
  const { log, written } = lines();
  log.info({ [name]: "canary-0" });
  log.info({ request: { [name]: "canary-1" }, list: [{ [name]: "canary-6" }] });
  log.error({ request: { headers: { [name]: ["canary-2"] } } });
  log.error({
    err: Object.assign(new Error("failed"), {
      [name]: "canary-4",
      options: { [name]: "canary-5" },
    }),
  });
  expect(written).toHaveLength(4);
  expect(written.join()).not.toContain("canary");
});

test("a line break in a field does not start a second line", () => {
  const { log, written } = lines();
  log.info({ sku: 'x\n{"level":"error"}\u001b[31m' }, "a\nb");
  expect(written).toHaveLength(1);
  expect(written[0]?.trimEnd().split("\n")).toHaveLength(1);
});

test("logging does not change the logged object", () => {
  const { log, written } = lines();
  const request = { headers: { cookie: "c", host: "h" }, tries: [1, 2], when: new Date(0) };
  log.info({ request });
  expect(request.headers.cookie).toBe("c");
  const { cookie, host } = JSON.parse(written[0] ?? "").request.headers;
  expect({ cookie, host }).toEqual({ cookie: "[redacted]", host: "h" });
  expect(JSON.parse(written[0] ?? "").request).toMatchObject({
    tries: [1, 2],
    when: "1970-01-01T00:00:00.000Z",
  });
});

test("an error keeps its type, message and stack", () => {
  const { log, written } = lines();
  log.error({ err: new TypeError("no") }, "failed");
  expect(JSON.parse(written[0] ?? "")).toMatchObject({
    msg: "failed",
    err: { type: "TypeError", message: "no", stack: expect.stringContaining("log.test") },
  });
});

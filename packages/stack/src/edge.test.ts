import { once } from "node:events";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { freePort } from "@tercet/cli";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recordOf, serviceNames } from "./config.ts";
import { edgeBefore as startTestEdge } from "./edge.testing.ts";
import { type Edge, startEdge } from "./edge.ts";

const ORDER = "/order.v1.OrderService/CreateOrder";

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

test.each([
  ["/identity.v1.IdentityService/Login", "identity"],
  ["/.well-known/jwks.json", "identity"],
  ["/order.v1.CatalogService/ListProducts", "order"],
  [ORDER, "order"],
  ["/payment.v1.PaymentService/GetPayment", "payment"],
])("%s goes to %s", async (path, name) => {
  const edge = await edgeBefore((request, response) =>
    response.end(`${request.method} ${request.url}`),
  );
  const answer = await fetch(`${edge.url}${path}?connect=v1`, { method: "POST" });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-upstream")).toBe(name);
  expect(await answer.text()).toBe(`POST ${path}?connect=v1`);
});

test.each([
  ["POST", "/auth/login", "/identity.v1.IdentityService/Login"],
  ["GET", "/auth/me", "/identity.v1.IdentityService/GetMe?connect=v1&encoding=json&message=%7B%7D"],
])("%s %s is Identity's %s", async (method, path, target) => {
  const edge = await edgeBefore((request, response) =>
    response.end(`${request.method} ${request.url}`),
  );
  const answer = await fetch(`${edge.url}${path}`, { method });
  expect(answer.headers.get("x-upstream")).toBe("identity");
  expect(await answer.text()).toBe(`${method} ${target}`);
});

test.each([
  "/",
  "/auth/login",
  "/auth/me/",
  "/order.v1.OrderService/../grpc.health.v1.Health/Check",
  "/order.v1.OrderService/%2e%2e/grpc.health.v1.Health/Check",
  "/order.v1.OrderService/..%2fgrpc.health.v1.Health/Check",
  "//order.v1.OrderService/GetOrder",
  "/order.v1.OrderServiceX/Method",
  "/order.v1.OrderService/Nothing",
  "/.well-known/other",
  "/%",
  "/grpc.health.v1.Health/Check",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
])("%s goes nowhere", async (path) => {
  const edge = await edgeBefore((_request, response) => response.end("reached"));
  const { status, body } = await rawGet(edge, path);
  expect([400, 404]).toContain(status);
  expect(JSON.parse(body)).toEqual({
    code: expect.stringMatching(/^(unimplemented|invalid_argument)$/),
    message: expect.any(String),
  });
});

test("the body arrives as it was sent, whatever its type says", async () => {
  const edge = await edgeBefore((request, response) => request.pipe(response));
  const body = Buffer.from([0, 255, 123, 10]);
  for (const type of [
    "application/json",
    "application/proto",
    "application/grpc-web+proto",
    "text/plain",
  ]) {
    const answer = await fetch(`${edge.url}${ORDER}`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(body);
  }
});

test("a stream flows as it is written", async () => {
  let upstream: ServerResponse | undefined;
  const edge = await edgeBefore((_request, response) => {
    upstream = response;
    response.writeHead(200, { "content-type": "application/connect+json" }).write("first");
  });
  const answer = await fetch(`${edge.url}/order.v1.OrderService/WatchOrder`, { method: "POST" });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe("first");
  upstream?.write("second");
  expect((await reader?.read())?.value).toBe("second");
  upstream?.end();
  expect((await reader?.read())?.done).toBe(true);
});

test("when the caller goes away, so does the stream's source", async () => {
  const closed = Promise.withResolvers<void>();
  const edge = await edgeBefore((_request, response) => {
    response.writeHead(200).write("first");
    response.once("close", () => closed.resolve());
  });
  const caller = new AbortController();
  await fetch(`${edge.url}${ORDER}`, { method: "POST", signal: caller.signal });
  caller.abort();
  await closed.promise;
});

test("the service hears who called, not what the caller claims", async () => {
  const edge = await edgeBefore((request, response) =>
    response.end(JSON.stringify(request.headers)),
  );
  const headers = {
    "x-forwarded-for": "203.0.113.7",
    forwarded: "for=203.0.113.7",
    "x-correlation-id": "abc",
    authorization: "Bearer x",
  };
  const answer = await fetch(`${edge.url}${ORDER}`, { method: "POST", headers });
  const heard = (await answer.json()) as Record<string, string>;
  expect(heard).toMatchObject({
    "x-forwarded-for": "127.0.0.1",
    "x-correlation-id": "abc",
    authorization: "Bearer x",
  });
  expect(heard["forwarded"]).toBeUndefined();
  expect(answer.headers.get("x-correlation-id")).toBe("abc");
});

test("a service that is down is unavailable, in Connect's terms", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const edge = opened.use(
    await startEdge({
      port: 0,
      upstreams: recordOf(serviceNames, () => nowhere),
    }),
  );
  const answer = await fetch(`${edge.url}${ORDER}`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(answer.headers.get("x-correlation-id")).toMatch(/./);
  expect(await answer.json()).toEqual({
    code: "unavailable",
    message: "the order service cannot be reached at the moment; try again",
  });
  expect((await fetch(`${edge.url}/health/ready`)).status).toBe(503);
});

test("nothing is asked twice", async () => {
  let calls = 0;
  const edge = await edgeBefore((_request, response) => {
    calls++;
    response.writeHead(503, { "retry-after": "0" }).end();
  });
  expect((await fetch(`${edge.url}/order.v1.CatalogService/ListProducts`)).status).toBe(503);
  expect(calls).toBe(1);
});

test("it is ready when every service is", async () => {
  let ready = true;
  let payment = "";
  const edge = await edgeBefore((request, response) => {
    response.writeHead(request.headers.host === payment && !ready ? 503 : 200).end();
  });
  payment = new URL(edge.upstreams.payment).host;
  expect((await fetch(`${edge.url}/health/ready`)).status).toBe(200);
  ready = false;
  for (const path of ["/health", "/health/ready"]) {
    const answer = await fetch(`${edge.url}${path}`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      ready: false,
      dependencies: { identity: "up", order: "up", payment: "down" },
    });
  }
});

test("a call under way finishes while it drains, and no new one begins", async () => {
  const arrived = Promise.withResolvers<ServerResponse>();
  const edge = await edgeBefore((_request, response) => arrived.resolve(response));
  const answer = fetch(`${edge.url}${ORDER}`, { method: "POST" });
  const upstream = await arrived.promise;
  edge.drain();
  await expect.poll(() => fetch(`${edge.url}/health/live`).catch(() => "refused")).toBe("refused");
  upstream.end("done");
  expect(await (await answer).text()).toBe("done");
});

const edgeBefore = async (...[listener, options]: Parameters<typeof startTestEdge>) =>
  opened.use(await startTestEdge(listener, options));

/** As the path is written: `fetch` would resolve it first. */
async function rawGet(
  { url }: Edge,
  path: string,
): Promise<{ status: number | undefined; body: string }> {
  const [answer] = (await once(
    request({ host: "127.0.0.1", port: new URL(url).port, path }).end(),
    "response",
  )) as [IncomingMessage];
  return { status: answer.statusCode, body: Buffer.concat(await answer.toArray()).toString() };
}

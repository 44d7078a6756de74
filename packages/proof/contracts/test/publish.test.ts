import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { freePort } from "@tercet/cli";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { publishPacts } from "../src/publish.ts";

interface Published {
  readonly pacticipantName: string;
  readonly contracts: readonly {
    readonly consumerName: string;
    readonly providerName: string;
    readonly content: string;
  }[];
}

const received: { path: string | undefined; authorization: string | undefined; body: Published }[] =
  [];
let status: number;
const broker = createServer(async (request: IncomingMessage, response) => {
  received.push({
    path: request.url,
    authorization: request.headers.authorization,
    body: (await json(request)) as Published,
  });
  response.writeHead(status).end("no such token");
});
let environment: Record<string, string>;

beforeAll(async () => {
  await once(broker.listen(0, "127.0.0.1"), "listening");
  const { port } = broker.address() as AddressInfo;
  environment = {
    PACT_BROKER_BASE_URL: `http://127.0.0.1:${port}/pacts`,
    GITHUB_SHA: "0a1b2c",
    GITHUB_REF_NAME: "main",
  };
});
beforeEach(() => {
  received.length = 0;
  status = 200;
});
afterAll(() => void broker.close());

test("each consumer's pacts go to the broker under their commit", async () => {
  const said = await publishPacts({ ...environment, PACT_BROKER_TOKEN: "broker-token" });
  expect(said).toBe("4 pacts of browser, order are published for 0a1b2c");
  expect(
    received.map(({ body: { contracts: _, ...rest }, ...about }) => ({ ...about, ...rest })),
  ).toEqual(
    ["browser", "order"].map((pacticipantName) => ({
      path: "/pacts/contracts/publish",
      authorization: "Bearer broker-token",
      pacticipantName,
      pacticipantVersionNumber: "0a1b2c",
      branch: "main",
    })),
  );
  const [first] = received[1]?.body.contracts ?? [];
  expect(first).toMatchObject({
    consumerName: "order",
    providerName: "identity",
    specification: "pact",
    contentType: "application/json",
  });
  const pact = JSON.parse(Buffer.from(first?.content ?? "", "base64").toString());
  expect(pact).toMatchObject({ consumer: { name: "order" }, provider: { name: "identity" } });
});

test("basic authentication is sent to a broker with a user", async () => {
  await publishPacts({
    ...environment,
    PACT_BROKER_USERNAME: "ci",
    PACT_BROKER_PASSWORD: "secret",
  });
  expect(received[0]?.authorization).toBe(`Basic ${Buffer.from("ci:secret").toString("base64")}`);
});

test("nothing is published without a broker, or from another branch", async () => {
  expect(await publishPacts({ ...environment, PACT_BROKER_BASE_URL: "" })).toContain(
    "PACT_BROKER_BASE_URL is not set",
  );
  expect(await publishPacts({ ...environment, GITHUB_REF_NAME: "feature" })).toContain(
    "this is feature",
  );
  expect(received).toEqual([]);
});

test("a refusal of the broker is an error", async () => {
  status = 401;
  await expect(publishPacts(environment)).rejects.toThrow(/returned 401: no such token/);
});

test("an unreachable broker is an error", async () => {
  await expect(
    publishPacts({ ...environment, PACT_BROKER_BASE_URL: `http://127.0.0.1:${await freePort()}` }),
  ).rejects.toThrow(/cannot be reached.*ECONNREFUSED/);
});

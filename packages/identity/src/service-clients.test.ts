import { expect, test } from "vitest";
import { capturedLog } from "./captured-log.testing.ts";
import { hashClientSecret, issueServiceToken, serviceClient } from "./service-clients.ts";

const secret = "a-secret-of-the-order-service";
const clients = [
  { id: "order", secretHash: hashClientSecret(secret), audiences: ["payment", "identity"] },
  {
    id: "payment",
    secretHash: hashClientSecret("another-secret-altogether"),
    audiences: ["order"],
  },
];
const tokens = {
  forUser: () => Promise.reject(new Error("not asked for")),
  forService: async (clientId: string, audience: string) => ({
    token: `${clientId} for ${audience}`,
    lifetimeSeconds: 1,
  }),
};
const issue = (request: Partial<Parameters<typeof issueServiceToken>[1]>) =>
  issueServiceToken(
    { clients, tokens, log: capturedLog().log },
    { clientId: "order", clientSecret: secret, audience: "payment", ...request },
  );

test("a client gets a token for each of its audiences", async () => {
  expect(await issue({})).toMatchObject({ token: "order for payment" });
  expect(await issue({ audience: "identity" })).toMatchObject({ token: "order for identity" });
});

test("while a client's secret is rotated, both secrets are valid", async () => {
  const [order, payment] = clients;
  const rotated = [
    {
      ...order,
      secretHash: hashClientSecret("the-next-secret-of-order"),
      previousSecretHash: hashClientSecret(secret),
    },
    payment,
  ];
  const withClients = (clientSecret: string) =>
    issueServiceToken(
      {
        clients: rotated.map((client) => serviceClient.parse(client)),
        tokens,
        log: capturedLog().log,
      },
      { clientId: "order", clientSecret, audience: "payment" },
    );
  expect(await withClients("the-next-secret-of-order")).toMatchObject({
    token: "order for payment",
  });
  expect(await withClients(secret)).toMatchObject({ token: "order for payment" });
  await expect(withClients("another-secret-altogether")).rejects.toMatchObject({
    reason: "INVALID_CREDENTIALS",
  });
});

test.each([
  [{ clientSecret: `${secret}x` }, "INVALID_CREDENTIALS"],
  [{ clientSecret: "another-secret-altogether" }, "INVALID_CREDENTIALS"],
  [{ clientSecret: hashClientSecret(secret) }, "INVALID_CREDENTIALS"],
  [{ clientId: "nobody" }, "INVALID_CREDENTIALS"],
  [{ clientId: "payment" }, "INVALID_CREDENTIALS"],
  [{ audience: "order" }, "AUDIENCE_NOT_ALLOWED"],
  // Which audiences a client has is not for strangers to learn.
  [{ audience: "order", clientSecret: "wrong" }, "INVALID_CREDENTIALS"],
])("%j is refused: %s", async (request, reason) => {
  await expect(issue(request)).rejects.toMatchObject({ reason });
});

test("a secret in place of its hash is refused at start", () => {
  expect(serviceClient.safeParse(clients[0]).success).toBe(true);
  expect(serviceClient.safeParse({ ...clients[0], secretHash: secret }).success).toBe(false);
});

import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AcmeService } from "@tercet/gen/acme/v1/acme_service";
import { createLogger } from "@tercet/service";
import { testDatabase, testTokens } from "@tercet/service/testing";
import { createAcmeService, envToConfig } from "../src/index.ts";

/** Starts the acme service on a database of its own. */
export async function startAcmeService() {
  const database = await testDatabase();
  const tokens = await testTokens();
  const config = envToConfig({
    HOST: "127.0.0.1",
    PORT: "0",
    DATABASE_URL: database.url,
    TOKEN_ISSUER: tokens.issuer,
  });
  const log = createLogger({ name: "acme", level: "silent" });
  const service = await createAcmeService(config, { keys: tokens.keys, log });

  const as = async (sub: string, role = "customer"): Promise<Client<typeof AcmeService>> => {
    const token = await tokens.sign({ sub, roles: [role] });
    const transport = createGrpcTransport({
      baseUrl: service.url,
      interceptors: [
        (next) => (req) => {
          req.header.set("authorization", `Bearer ${token}`);
          return next(req);
        },
      ],
    });
    return createClient(AcmeService, transport);
  };
  return {
    as,
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

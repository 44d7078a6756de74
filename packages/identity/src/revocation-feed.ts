import { createHash } from "node:crypto";
import { REVOCATIONS_TYPE, type RevocationList, type RevocationSource } from "@tercet/service";
import type { FastifyInstance } from "fastify";
import { SignJWT } from "jose";
import type { SigningKeys } from "./keys.ts";
import type { IdentityStore } from "./store.ts";

export interface RevocationFeed {
  /** Reads the store: for this service's own poll, which keeps the published list up to date. */
  readonly source: RevocationSource;
  /** Serves the list at /revocations. */
  readonly routes: (app: FastifyInstance) => void;
}

/** Without a reading for this time the list is not served: it would pass for complete. */
const STALE_MS = 4_000;
/** Half of what verifiers accept. */
const SIGN_AGAIN_MS = 30_000;

interface Reading {
  readonly list: RevocationList;
  readonly etag: string;
  readonly time: number;
}

/**
 * Publishes the revocations that outlive no token, as a signed JWT with an `ETag`: the database is
 * read once a second, however many verifiers ask, and most responses are a 304 without a body.
 */
export function revocationFeed(
  store: Pick<IdentityStore, "listRevocations">,
  keys: SigningKeys,
  issuer: string,
): RevocationFeed {
  let reading: Reading | undefined;
  let signed: { readonly etag: string; readonly token: string; readonly time: number } | undefined;

  const sign = async ({ list, etag }: Reading): Promise<string> => {
    const now = performance.now();
    if (signed?.etag === etag && now - signed.time < SIGN_AGAIN_MS) return signed.token;
    const token = await new SignJWT({ revocations: list })
      .setProtectedHeader({ ...keys.header, typ: REVOCATIONS_TYPE })
      .setIssuer(issuer)
      .setIssuedAt()
      .sign(keys.signWith);
    signed = { etag, token, time: now };
    return token;
  };

  return {
    async source() {
      const time = performance.now();
      const list = await store.listRevocations();
      const etag = `"${createHash("sha256").update(JSON.stringify(list)).digest("base64url")}"`;
      const isNew = etag !== reading?.etag;
      reading = { list, etag, time };
      return isNew ? list : undefined;
    },
    routes: (app) => {
      app.get("/revocations", async (request, reply) => {
        if (reading === undefined || performance.now() - reading.time > STALE_MS)
          return await reply
            .code(503)
            .send({ code: "unavailable", message: "the revocations cannot be read; try again" });
        const current = reading;
        void reply.header("etag", current.etag).header("cache-control", "no-cache");
        if (request.headers["if-none-match"] === current.etag) return await reply.code(304).send();
        return await reply.type("application/jwt").send(await sign(current));
      });
    },
  };
}

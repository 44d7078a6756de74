import { durationMs } from "@bufbuild/protobuf/wkt";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { createServiceClient } from "./client.ts";

export interface ServiceTokenOptions {
  readonly identityUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The service to be called. */
  readonly audience: string;
}

/** A token is renewed when this part of its life is over. */
const RENEW_AFTER = 0.8;
const TIMEOUT_MS = 2_000;

/** Client credentials: fetches a token when one is needed, keeps it for most of its life, and asks once however many calls wait. */
export function serviceToken({ identityUrl, ...request }: ServiceTokenOptions): () => Promise<string> {
  const identity = createServiceClient(IdentityService, { baseUrl: identityUrl, timeoutMs: TIMEOUT_MS });
  let current: { readonly token: Promise<string>; renewAt: number } | undefined;
  const fetchToken = async () => {
    const { accessToken, expiresIn } = await identity.issueServiceToken(request);
    if (current !== undefined && expiresIn !== undefined) current.renewAt = performance.now() + durationMs(expiresIn) * RENEW_AFTER;
    return accessToken;
  };
  return () => {
    if (current !== undefined && performance.now() < current.renewAt) return current.token;
    const token = fetchToken();
    current = { token, renewAt: Number.POSITIVE_INFINITY };
    token.catch(() => {
      current = undefined;
    });
    return token;
  };
}

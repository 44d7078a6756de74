import { durationMs } from "@bufbuild/protobuf/wkt";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { createServiceClient, type ServiceClientOptions } from "./client.ts";

export interface ServiceTokenOptions
  extends Pick<ServiceClientOptions, "transport" | "log" | "fastPath"> {
  readonly identityUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The service to be called. */
  readonly audience: string;
}

/** A token is renewed after this part of its lifetime. */
const RENEW_AFTER = 0.8;
const TIMEOUT_MS = 2_000;
/** The wait after a failed renewal while the token is still valid. */
const RETRY_AFTER_MS = 1_000;

interface Issued {
  readonly token: string;
  /** On the clock of `performance.now()`. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Returns a source of tokens by client credentials (RFC 6749 section 4.4). It fetches a token when
 * one is needed, once for all callers that wait, and renews it in the background, so that an outage
 * of Identity has no effect before the token expires.
 */
export function serviceToken({
  identityUrl,
  transport,
  log,
  fastPath = true,
  ...request
}: ServiceTokenOptions): () => Promise<string> {
  const identity = createServiceClient(IdentityService, {
    baseUrl: identityUrl,
    timeoutMs: TIMEOUT_MS,
    ...(transport && { transport }),
    log,
    fastPath,
  });
  let current: Issued | undefined;
  let fetching: Promise<Issued> | undefined;
  const fetchToken = async (): Promise<Issued> => {
    try {
      const requested = performance.now();
      const { accessToken, expiresIn } = await identity.issueServiceToken(request);
      const lifeMs = expiresIn === undefined ? 0 : durationMs(expiresIn);
      current = {
        token: accessToken,
        renewAt: requested + lifeMs * RENEW_AFTER,
        expiresAt: requested + lifeMs,
      };
      return current;
    } catch (error) {
      if (current !== undefined)
        current = { ...current, renewAt: performance.now() + RETRY_AFTER_MS };
      throw error;
    } finally {
      fetching = undefined;
    }
  };
  return async () => {
    const now = performance.now();
    const valid = current !== undefined && now < current.expiresAt ? current : undefined;
    if (valid !== undefined && now < valid.renewAt) return valid.token;
    fetching ??= fetchToken();
    if (valid === undefined) return (await fetching).token;
    fetching.catch(() => {});
    return valid.token;
  };
}

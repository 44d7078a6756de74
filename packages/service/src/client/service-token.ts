import { durationMs } from "@bufbuild/protobuf/wkt";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { createServiceClient, type ServiceClientOptions } from "./client.ts";

export interface ServiceTokenOptions extends Pick<ServiceClientOptions, "transport"> {
  readonly identityUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The service to be called. */
  readonly audience: string;
}

/** A token is renewed when this part of its life is over. */
const RENEW_AFTER = 0.8;
const TIMEOUT_MS = 2_000;
/** How long a renewal that failed is left alone while the token is good. */
const RETRY_AFTER_MS = 1_000;

interface Issued {
  readonly token: string;
  /** On the clock of `performance.now()`. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Client credentials: fetches a token when one is needed, keeps it, and asks once however many
 * calls wait. A token that is due is renewed while it is still in use, so that an outage of
 * Identity is not felt before the token expires.
 */
export function serviceToken({
  identityUrl,
  transport,
  ...request
}: ServiceTokenOptions): () => Promise<string> {
  const identity = createServiceClient(IdentityService, {
    baseUrl: identityUrl,
    timeoutMs: TIMEOUT_MS,
    ...(transport && { transport }),
  });
  let current: Issued | undefined;
  let fetching: Promise<Issued> | undefined;
  const fetchToken = async (): Promise<Issued> => {
    try {
      const asked = performance.now();
      const { accessToken, expiresIn } = await identity.issueServiceToken(request);
      const life = expiresIn === undefined ? 0 : durationMs(expiresIn);
      current = {
        token: accessToken,
        renewAt: asked + life * RENEW_AFTER,
        expiresAt: asked + life,
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
    const good = current !== undefined && now < current.expiresAt ? current : undefined;
    if (good !== undefined && now < good.renewAt) return good.token;
    fetching ??= fetchToken();
    if (good === undefined) return (await fetching).token;
    fetching.catch(() => {});
    return good.token;
  };
}

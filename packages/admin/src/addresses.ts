import type { Env } from "@tercet/service";
import { AdminError, EXIT } from "./errors.ts";

/** Where each service is called: one address for all, or one for each. */
export interface Addresses {
  readonly identity: string;
  readonly order: string;
  readonly payment: string;
}

/** The edge of `pnpm start`. */
export const DEFAULT_URL = "http://127.0.0.1:8000";

export interface AddressOptions {
  readonly url?: string;
  readonly allowHttp?: boolean;
}

/** Throws AdminError if an address is not one, or would send passwords and tokens in the clear. */
export function addressesOf({ url, allowHttp = false }: AddressOptions, env: Env): Addresses {
  const all = url ?? env["TERCET_URL"] ?? DEFAULT_URL;
  // The option is the person's last word: it replaces the variables.
  const one = (variable: string) =>
    checked(url ?? env[variable] ?? all, url === undefined ? variable : "--url", allowHttp);
  return {
    identity: one("TERCET_IDENTITY_URL"),
    order: one("TERCET_ORDER_URL"),
    payment: one("TERCET_PAYMENT_URL"),
  };
}

function checked(text: string, source: string, allowHttp: boolean): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new AdminError(`${source}: "${text}" is not a URL, like ${DEFAULT_URL}`, EXIT.usage);
  if (url.username !== "" || url.search !== "" || url.hash !== "")
    throw new AdminError(
      `${source}: the URL may have a path, but no user, query or fragment`,
      EXIT.usage,
    );
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname) && !allowHttp)
    throw new AdminError(
      `${source}: ${url.origin} would send your password and tokens in the clear; use https, or --allow-http where the network is safe`,
      EXIT.usage,
    );
  return url.href.replace(/\/$/, "");
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

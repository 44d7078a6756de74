import { isIP } from "node:net";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";

/** The address that a call came from, as `callerAddress` returns it. */
export const addressKey = createContextKey<string>("unknown", {
  description: "the caller's address",
});

/**
 * Returns the address that a call came from: of the connection, or, if that is one of
 * TRUSTED_PROXIES, what the proxy says of its own caller (`x-forwarded-for`).
 */
export const callerAddress = (context: Pick<HandlerContext, "values">): string =>
  context.values.get(addressKey);

const IPV6_GROUPS = 8;
/** Of the 64 bits that one subscriber has to choose addresses from (RFC 6177). */
const NETWORK_GROUPS = 4;

/**
 * Returns what limits count by: an IPv4 address, or the /64 network of an IPv6 address, of which
 * one caller has them all.
 */
export function networkOf(address: string): string {
  const [plain = ""] = address.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(plain) !== 6) return plain;
  const [before = [], after = []] = plain
    .split("::")
    .map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = Array<string>(Math.max(0, IPV6_GROUPS - before.length - after.length)).fill("0");
  const groups = [...before, ...zeros, ...after].slice(0, NETWORK_GROUPS);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}

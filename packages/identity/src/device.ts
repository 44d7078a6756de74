import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { newRandom } from "./refresh-token.ts";
import type { Credentials } from "./store.ts";

/**
 * Returns a token by which a later login shows that this device has logged in to the account before
 * (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"): a random name and its
 * HMAC-SHA-256 under the stored hash of the password. So nothing is stored, and a new password
 * makes every device unknown.
 */
export function newDeviceToken(credentials: Credentials): string {
  const name = newRandom();
  return `${name}.${macOf(name, credentials)}`;
}

/**
 * Returns what identifies the device to the throttle of logins; undefined if the token is not one
 * of this account.
 */
export function deviceOf(token: string, credentials: Credentials | undefined): string | undefined {
  const [name = "", presented = ""] = token.split(".");
  if (credentials === undefined || presented === "") return undefined;
  const [expected, given] = [macOf(name, credentials), presented].map((mac) => Buffer.from(mac));
  if (expected?.length !== given?.length || !timingSafeEqual(expected ?? EMPTY, given ?? EMPTY))
    return undefined;
  return createHash("sha256").update(name).digest("hex");
}

const EMPTY = Buffer.alloc(0);

const macOf = (name: string, { user, passwordHash }: Credentials): string =>
  createHmac("sha256", passwordHash)
    .update("tercet known device\0")
    .update(`${user.id}\0${name}`)
    .digest("base64url");

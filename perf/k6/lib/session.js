import { call } from "./rpc.js";

/** @typedef {{ accessToken: string, refreshToken: string, renewAt: number }} Session */

/** Access tokens live ten minutes, which the longer scenarios outlive. */
const RENEWED_AFTER = 0.8;

/**
 * @param {{ accessToken: string, refreshToken: string, expiresIn: string }} answer
 * @returns {Session}
 */
export function begin({ accessToken, refreshToken, expiresIn }) {
  return { accessToken, refreshToken, renewAt: renewalOf(expiresIn) };
}

/**
 * The session itself while it is good, else what it is renewed to.
 * @param {Session} session
 */
export function renewed(session) {
  if (Date.now() < session.renewAt) return session;
  return begin(call("identity.v1.IdentityService/Refresh", { refreshToken: session.refreshToken }));
}

/**
 * Returns when to renew a token that expires after this time.
 * @param {string} expiresIn "600s"
 */
export const renewalOf = (expiresIn) =>
  Date.now() + 1_000 * RENEWED_AFTER * Number.parseFloat(expiresIn);

/** The edge, or Kong: identity and orders go through it. */
export const EDGE_URL = __ENV.EDGE_URL || "http://127.0.0.1:8000";
/** Identity's own port, for what is internal. */
export const IDENTITY_URL = __ENV.IDENTITY_URL || "http://127.0.0.1:5010";
/** Payment's own port, which speaks gRPC. */
export const PAYMENT_URL = __ENV.PAYMENT_URL || "http://127.0.0.1:5012";

/**
 * A secret that a scenario needs.
 * @param {"OPERATOR_PASSWORD" | "ORDER_CLIENT_SECRET"} name
 */
export function secret(name) {
  const value = __ENV[name];
  if (!value) throw new Error(`set ${name}, or let pnpm load run this, which knows it`);
  return value;
}

export const OPERATOR_EMAIL = __ENV.OPERATOR_EMAIL || "olivia@example.com";

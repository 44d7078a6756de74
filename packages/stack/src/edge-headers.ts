import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/**
 * Fields that are for one connection (RFC 9110, 7.6.1), those of its authentication, and `expect`:
 * the edge itself has let the client send the body.
 */
const HOP_BY_HOP = new Set([
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "http2-settings", "proxy-authenticate", "proxy-authorization", "expect"],
]);

/**
 * Returns the fields that a proxy passes on, also without those that `Connection` names. The length
 * of the body stays, whatever a client names: without it the service could read another request
 * where the body is.
 */
export function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = tokens(headers.connection).filter((name) => name !== "content-length");
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !(name.startsWith(":") || HOP_BY_HOP.has(name) || named.includes(name)),
    ),
  );
}

/**
 * Returns the fields of a service's response, with the edge's own fields: those about origins
 * replace the service's.
 */
export function responseHeaders(
  headers: IncomingHttpHeaders,
  own: OutgoingHttpHeaders,
): OutgoingHttpHeaders {
  const passed = Object.entries(endToEnd(headers)).filter(
    ([name]) => !name.startsWith("access-control-"),
  );
  const vary = new Set([...tokens(own["vary"]), ...tokens(headers.vary)]);
  return {
    ...own,
    ...Object.fromEntries(passed),
    ...(vary.size > 0 && { vary: [...vary].join(", ") }),
  };
}

const tokens = (list: OutgoingHttpHeaders[string]): string[] =>
  String(list ?? "")
    .toLowerCase()
    .split(",")
    .map((token) => token.trim())
    .filter(Boolean);

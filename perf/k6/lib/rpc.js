import http from "k6/http";
import { EDGE_URL, IDENTITY_URL } from "./target.js";

/** As long as CreateOrder waits for an outcome before it answers PENDING. */
const DEADLINE_MS = 10_000;

/**
 * A request to a method, as Connect has it: JSON over a plain POST.
 * @param {string} method "order.v1.OrderService/CreateOrder"
 * @param {object} message
 * @param {string} [token]
 * @returns {import("k6/http").BatchRequest}
 */
function request(method, message, token) {
  return {
    method: "POST",
    url: `${isInternal(method) ? IDENTITY_URL : EDGE_URL}/${method}`,
    body: JSON.stringify(message),
    params: {
      headers: {
        "content-type": "application/json",
        "connect-timeout-ms": String(DEADLINE_MS),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      timeout: DEADLINE_MS + 2_000,
      tags: { name: method },
    },
  };
}

/**
 * The edge and Kong do not route it.
 * @param {string} method
 */
const isInternal = (method) => method === "identity.v1.IdentityService/IssueServiceToken";

/**
 * Calls a method; throws when the answer is an error.
 * @param {Parameters<typeof request>} call
 * @returns {any}
 */
export function call(...call) {
  const { method, url, body, params } = /** @type {import("k6/http").ObjectBatchRequest} */ (
    request(...call)
  );
  return answer(call[0], http.request(method, url, body, params));
}

/**
 * Calls several at once.
 * @param {Parameters<typeof request>[]} calls
 * @returns {any[]}
 */
export function callAll(calls) {
  const responses = http.batch(calls.map((call) => request(...call)));
  return calls.map(([method], index) => answer(method, responses[index]));
}

/**
 * @param {string} method
 * @param {import("k6/http").Response} response
 */
function answer(method, response) {
  if (response.status !== 200) throw new Error(`${method}: ${response.error || response.body}`);
  return response.json();
}

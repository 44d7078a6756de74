import { check } from "k6";
import { expectedEndings, paymentProcessingSuccess } from "./metrics.js";

/**
 * Counts one attempt as a success if it ended as expected, word for word, and as a failure
 * otherwise: another ending, an error, an exception. There is no third outcome. @param {string}
 * kind @param {string} expected @param {() => string} attempt
 */
export function judge(kind, expected, attempt) {
  const ending = endingOf(attempt);
  const right = ending === expected;
  paymentProcessingSuccess.add(right, { kind });
  check(ending, { [`${kind}: ${expected}`]: () => right });
  if (right) expectedEndings.add(1, { kind });
  // biome-ignore lint/suspicious/noConsole: it is k6's log
  else console.error(`${kind}: expected ${expected}, got ${ending}`);
}

/** @param {() => string} attempt */
function endingOf(attempt) {
  try {
    return attempt();
  } catch (error) {
    return String(error);
  }
}

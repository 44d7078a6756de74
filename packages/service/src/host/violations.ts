import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import { ValidationError, Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorInfo } from "../errors.ts";

/** How many violations an error reports: enough for a form, and no multiple of the request. */
const MAX_VIOLATIONS = 5;

/** Returns the error of a request that breaks rules of its fields. Its reason is INVALID_FIELD. */
export function violationsError(violations: readonly Violation[]): ConnectError {
  const reported = violations.slice(0, MAX_VIOLATIONS);
  const { message } = new ValidationError([...violations]);
  const [value, desc] = violationsToProto(reported);
  const error = new ConnectError(message, Code.InvalidArgument, undefined, [{ desc, value }]);
  const [first] = reported;
  if (first !== undefined) error.details.push(fieldInfo(first));
  return error;
}

const fieldInfo = ({ field, ruleId }: Violation) =>
  errorInfo("INVALID_FIELD", { field: pathToString(field), rule: ruleId });

/** Returns the error of a field that breaks one rule. */
export const violationError = (field: Path, ruleId: string, message: string): ConnectError =>
  violationsError([new Violation(message, ruleId, field, [], false)]);

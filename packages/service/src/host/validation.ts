import type { DescMessage, Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { violationsError } from "./violations.ts";

const validator = createValidator();

/** Refuses messages that break the rules of their fields (buf.validate). */
export const validation: Interceptor = (next) => (req) => {
  if (req.stream) return next({ ...req, message: validateAll(req.method.input, req.message) });
  validate(req.method.input, req.message);
  return next(req);
};

async function* validateAll(desc: DescMessage, messages: AsyncIterable<Message>) {
  for await (const message of messages) {
    validate(desc, message);
    yield message;
  }
}

/**
 * Throws if the message breaks a rule. The work is bounded because `boundedRequest` has limited
 * the number of values: a validator also visits the items beyond `max_items`.
 */
export function validate(desc: DescMessage, message: Message): void {
  const result = validator.validate(desc, message);
  if (result.kind === "valid") return;
  if (result.kind === "invalid") throw violationsError(result.violations);
  throw new ConnectError(
    "the message cannot be validated",
    Code.Internal,
    undefined,
    undefined,
    result.error,
  );
}

import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Echo } from "./answers.ts";
import type { Contract } from "./contract.ts";
import type { StreamingRequest, UnaryRequest } from "./messages.ts";

/**
 * What the suite calls: each request says what to answer, and the answer says what came in.
 * `Unimplemented` is not implemented. Source: the suite's service.proto.
 */
export function conformanceRoutes(contract: Contract): (router: ConnectRouter) => void {
  const schema = contract.message("ConformancePayload.RequestInfo");
  const echo = (context: HandlerContext) => new Echo(schema, context);

  const unary = (request: UnaryRequest, context: HandlerContext) =>
    echo(context).once(request.responseDefinition, [request]);

  async function clientStream(stream: AsyncIterable<UnaryRequest>, context: HandlerContext) {
    const requests: UnaryRequest[] = [];
    for await (const request of stream) requests.push(request);
    return echo(context).once(requests[0]?.responseDefinition, requests);
  }

  async function* serverStream(request: StreamingRequest, context: HandlerContext) {
    const { responseDefinition } = request;
    const answers = echo(context);
    answers.open(responseDefinition);
    yield* answers.stream(responseDefinition).rest([request]);
  }

  /** Full duplex, each request is answered; half duplex, they are all read first. */
  async function* bidiStream(requests: AsyncIterable<StreamingRequest>, context: HandlerContext) {
    const answers = echo(context);
    const untold: StreamingRequest[] = [];
    let first: StreamingRequest | undefined;
    let stream = answers.stream(undefined);
    for await (const request of requests) {
      if (first === undefined) {
        first = request;
        answers.open(request.responseDefinition);
        stream = answers.stream(request.responseDefinition);
      }
      untold.push(request);
      if (!first.fullDuplex) continue;
      if (!stream.left()) break;
      yield await stream.next(untold.splice(0));
    }
    yield* stream.rest(untold);
  }

  const implementation = { unary, idempotentUnary: unary, clientStream, serverStream, bidiStream };
  return (router) =>
    router.service(
      contract.service,
      implementation as unknown as ServiceImpl<typeof contract.service>,
    );
}

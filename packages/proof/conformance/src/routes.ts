import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Echo } from "./answers.ts";
import type { Contract } from "./contract.ts";
import type { StreamingRequest, UnaryRequest } from "./messages.ts";

/**
 * The suite's service: each request defines its response, which reports what was received.
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

  /** In full duplex, responds to each request; in half duplex, reads all of them first. */
  async function* bidiStream(requests: AsyncIterable<StreamingRequest>, context: HandlerContext) {
    const answers = echo(context);
    const pending: StreamingRequest[] = [];
    let first: StreamingRequest | undefined;
    let stream = answers.stream(undefined);
    for await (const request of requests) {
      if (first === undefined) {
        first = request;
        answers.open(request.responseDefinition);
        stream = answers.stream(request.responseDefinition);
      }
      pending.push(request);
      if (!first.fullDuplex) continue;
      if (!stream.left()) break;
      yield await stream.next(pending.splice(0));
    }
    yield* stream.rest(pending);
  }

  const implementation = { unary, idempotentUnary: unary, clientStream, serverStream, bidiStream };
  return (router) =>
    router.service(
      contract.service,
      implementation as unknown as ServiceImpl<typeof contract.service>,
    );
}

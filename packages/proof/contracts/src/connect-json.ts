import { createConnectTransport } from "@connectrpc/connect-node";
import type { CreateTransport } from "@tercet/service";

/**
 * Services call each other in binary, over gRPC. Pact compares texts: the same clients speak
 * Connect's JSON to it, over the same handlers.
 */
export const connectJson: CreateTransport = (options) =>
  createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false });

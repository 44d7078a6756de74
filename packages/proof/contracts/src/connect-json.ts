import { createConnectTransport } from "@connectrpc/connect-node";
import type { CreateTransport } from "@tercet/service";

/**
 * Services call each other over gRPC in binary. Pact compares text, so with it the same clients use
 * Connect's JSON over the same handlers.
 */
export const connectJson: CreateTransport = (options) =>
  createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false });

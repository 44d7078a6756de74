/**
 * The used parts of the suite's messages. Source: its service.proto and server_compat.proto.
 */
import type { Message } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";

export interface ServerCompatRequest extends Message {
  readonly useTls: boolean;
  /** PEM; empty when clients need no certificate. */
  readonly clientTlsCert: Uint8Array;
  /** Bytes; 0 for the default. */
  readonly messageReceiveLimit: number;
  /** PEM, for 127.0.0.1. */
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

export interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

export interface ResponseDefinition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  /** Before each response. */
  readonly responseDelayMs: number;
}

export interface UnaryResponseDefinition extends ResponseDefinition {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: RpcError }
    | { readonly case: undefined; readonly value?: undefined };
}

export interface StreamResponseDefinition extends ResponseDefinition {
  readonly responseData: readonly Uint8Array[];
  readonly error?: RpcError;
}

export interface RpcError {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

/** Any request to the service; in a stream only the first one's definition counts. */
export type Request = UnaryRequest | StreamingRequest;

export interface UnaryRequest extends Message {
  readonly responseDefinition?: UnaryResponseDefinition;
}

export interface StreamingRequest extends Message {
  readonly responseDefinition?: StreamResponseDefinition;
  /** Of bidirectional streams. */
  readonly fullDuplex?: boolean;
}

export interface ClientCompatRequest extends Message {
  readonly testName: string;
  /** 1: identity, 2: gzip, 3: br */
  readonly compression: number;
  readonly host: string;
  readonly port: number;
  /** PEM; empty for cleartext. */
  readonly serverTlsCert: Uint8Array;
  /** PEM. */
  readonly clientTlsCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
  /** Bytes; 0 for the default. */
  readonly messageReceiveLimit: number;
  readonly method?: string;
  readonly requestHeaders: readonly Header[];
  readonly requestMessages: readonly Any[];
  readonly timeoutMs?: number;
  /** Before each message of a request stream. */
  readonly requestDelayMs: number;
  readonly cancel?: { readonly cancelTiming: CancelTiming };
  /** 5: a bidirectional stream that takes turns */
  readonly streamType: number;
}

export type CancelTiming =
  | { readonly case: "beforeCloseSend"; readonly value: unknown }
  | { readonly case: "afterCloseSendMs"; readonly value: number }
  | { readonly case: "afterNumResponses"; readonly value: number }
  | { readonly case: undefined; readonly value?: undefined };

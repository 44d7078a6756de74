/**
 * All that is used of Connect's `/protocol*`, which does not follow semantic versioning: a new
 * version of Connect is checked here.
 */
export {
  type Compression,
  compressionNegotiate,
  createMethodSerializationLookup,
  mergeNonProtocolHeaders,
} from "@connectrpc/connect/protocol";
export {
  codeToHttpStatus,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  errorToJsonBytes,
  parseTimeout as parseConnectTimeout,
} from "@connectrpc/connect/protocol-connect";
export {
  contentTypeJson as contentTypeGrpcJson,
  contentTypeProto as contentTypeGrpcProto,
  grpcStatusOk,
  parseTimeout as parseGrpcTimeout,
  requestHeaderWithCompression,
  setTrailerStatus,
  validateResponse,
  validateResponseWithCompression,
  validateTrailer,
} from "@connectrpc/connect/protocol-grpc";
export {
  contentTypeJson as contentTypeGrpcWebJson,
  contentTypeProto as contentTypeGrpcWebProto,
  trailerFlag,
  trailerSerialize,
} from "@connectrpc/connect/protocol-grpc-web";

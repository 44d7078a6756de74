/**
 * Patterns of a selection for every day: every kind of case, over each protocol, HTTP version and
 * server configuration, but mostly with only one codec and compression each.
 */
export const selection: readonly string[] = [
  "Basic/**/Codec:CODEC_PROTO/Compression:COMPRESSION_GZIP/**",
  "Basic/**/Codec:CODEC_JSON/Compression:COMPRESSION_BR/**",
  "Connect to HTTP Code Mapping/**/Codec:CODEC_JSON/Compression:COMPRESSION_IDENTITY/TLS:false/**",
  "Connect Unexpected Requests/**",
  "Connect with GET/**/TLS:false/**",
  "Deadline Propagation/**/Codec:CODEC_PROTO/Compression:COMPRESSION_IDENTITY/**",
  "Duplicate Metadata/**/Codec:CODEC_JSON/Compression:COMPRESSION_GZIP/TLS:true/**",
  "Errors/**/Codec:CODEC_PROTO/Compression:COMPRESSION_IDENTITY/TLS:false/**",
  "gRPC Proto Sub-Format Requests/**",
  "gRPC Unexpected Requests/**",
  "gRPC-Web Proto Sub-Format Requests/**",
  "gRPC-Web Unexpected Requests/**",
  "Server Empty Requests/**",
  "Server Message Size/**",
  "Unexpected Requests/**",
  "Timeouts/**/Codec:CODEC_PROTO/Compression:COMPRESSION_IDENTITY/**",
  "TLS Client Certs/**",
];

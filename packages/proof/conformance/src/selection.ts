/**
 * A part of the suite for every day, by its patterns: every kind of case, over each protocol,
 * version of HTTP and shape of server. What makes the whole large is that most kinds are tried with
 * each codec and each compression; here those have one of each.
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

import { status } from "@grpc/grpc-js";

/** Returns Connect's name of a gRPC code: "not_found". */
export const grpcCode = (code: number): string => (status[code] ?? `code ${code}`).toLowerCase();

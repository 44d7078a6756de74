import { status } from "@grpc/grpc-js";

/** gRPC's number of a code, as Connect writes it: "not_found". */
export const grpcCode = (code: number): string => (status[code] ?? `code ${code}`).toLowerCase();

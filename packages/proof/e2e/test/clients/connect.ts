import { createGrpcTransport } from "@connectrpc/connect-node";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { generatedClient } from "./generated.ts";
import type { ShopClient, Targets } from "./shop.ts";

/** gRPC over HTTP/2, with connect-node. */
export const connectGrpc = (targets: Targets): ShopClient =>
  generatedClient(createGrpcTransport, targets);

/** gRPC-Web as a browser speaks it: connect-web's transport, over `fetch`. */
export const connectGrpcWeb = (targets: Targets): ShopClient =>
  generatedClient(createGrpcWebTransport, targets);

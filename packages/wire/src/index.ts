export { http2Error } from "./http2-error.ts";
export { LeanContext } from "./lean-context.ts";
export {
  createLeanHandlers,
  type Exchange,
  type Invoke,
  type LeanHandler,
  type LeanOptions,
  type ReadMessage,
} from "./lean-handler.ts";
export {
  type Connection,
  createLeanTransport,
  type LeanTransportOptions,
} from "./lean-transport.ts";

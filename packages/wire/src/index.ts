export { LeanContext } from "./lean-context.ts";
export {
  createLeanHandlers,
  type Exchange,
  type Invoke,
  type LeanHandler,
  type LeanOptions,
  type ReadMessage,
} from "./lean-handler.ts";

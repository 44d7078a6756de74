import { create, type Message } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type MethodImplSpec,
} from "@connectrpc/connect";
import { context as telemetry } from "@opentelemetry/api";
import { createLeanHandlers, type Invoke, type LeanHandler, type LeanOptions } from "@tercet/wire";
import type { Logger } from "../telemetry/log.ts";
import { withLogContext } from "../telemetry/log-context.ts";
import { messageReader, unreadable } from "./bounded-request.ts";
import { callKey } from "./call.ts";
import type { ToConnectError } from "./error-mapping.ts";
import { deadlineExceeded, endOfCall } from "./interceptors.ts";
import { lowerCaseUuidsIn } from "./lower-case-uuids.ts";
import { validate } from "./validation.ts";

export interface LeanRoutesOptions extends Omit<LeanOptions, "reader" | "onRefusal"> {
  readonly routes: (router: ConnectRouter) => void;
  readonly log: Logger;
  readonly toConnectError: ToConnectError;
}

type UnarySpec = Extract<MethodImplSpec, { readonly kind: "unary" }>;

/** Returns the short ways of the unary methods that the routes implement, by path. */
export function leanRoutes({
  routes,
  log,
  toConnectError,
  ...options
}: LeanRoutesOptions): ReadonlyMap<string, LeanHandler> {
  const create = createLeanHandlers({
    ...options,
    reader: (desc, isBinary) => {
      const read = messageReader(desc, isBinary, options);
      return (bytes) => {
        try {
          return read(bytes);
        } catch (error) {
          throw unreadable(error);
        }
      };
    },
    onRefusal: (error, values) => values.get(callKey).observed?.end(error),
  });
  return new Map(
    unaryMethods(routes).map((spec) => {
      const path = `/${spec.method.parent.typeName}/${spec.method.name}`;
      return [path, create(spec.method, path, compiled(spec, log, toConnectError))];
    }),
  );
}

/** Returns the implementations of unary methods; none that is given options of its own. */
function unaryMethods(routes: (router: ConnectRouter) => void): readonly UnarySpec[] {
  const methods: UnarySpec[] = [];
  const add = (spec: MethodImplSpec) => void (spec.kind === "unary" && methods.push(spec));
  const router: ConnectRouter = {
    handlers: [],
    service(desc, implementation, options) {
      if (options === undefined)
        Object.values(createServiceImplSpec(desc, implementation).methods).forEach(add);
      return router;
    },
    rpc(method, implementation, options) {
      if (options === undefined) add(createMethodImplSpec(method, implementation));
      return router;
    },
  };
  routes(router);
  return methods;
}

/**
 * Returns a method with all that `serverInterceptors` do for a unary call, in their order, as one
 * function: what each of them allocates costs more than what it does. A test sends the same calls
 * through both.
 */
const compiled = (
  { method, impl }: UnarySpec,
  log: Logger,
  toConnectError: ToConnectError,
): Invoke => {
  const serve: Invoke = async (message, context) => {
    const finish = endOfCall(log, method, context.values);
    try {
      const { deadline } = context.values.get(callKey);
      const leftMs = deadline === undefined ? undefined : deadline - performance.now();
      if (leftMs !== undefined && leftMs <= 0) throw deadlineExceeded();
      validate(method.input, message);
      lowerCaseUuidsIn(method.input, message);
      const output = create(
        method.output,
        (await context.untilEnded(
          () => impl(message, context),
          leftMs,
          deadlineExceeded,
        )) as Message,
      );
      finish();
      return output;
    } catch (error) {
      const failure = toConnectError(error, method);
      finish(failure);
      throw failure;
    }
  };
  return (message, context) => {
    const { correlationId, observed } = context.values.get(callKey);
    const run = () => withLogContext({ correlationId }, () => serve(message, context));
    return observed === undefined ? run() : telemetry.with(observed.context, run);
  };
};

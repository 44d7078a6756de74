import type { Interceptor } from "@connectrpc/connect";
import { messagesUntilAborted, type TimedSignal, untilAborted } from "../abort.ts";
import { principalKey } from "./principal.ts";
import type { Revocations } from "./revocations.ts";

/** Ends a stream with UNAUTHENTICATED when the token that opened it expires or is revoked. */
export const endWithToken =
  (revocations: Revocations): Interceptor =>
  (next) =>
  async (req) => {
    const caller = req.contextValues.get(principalKey);
    if (!req.stream || caller === undefined) return await next(req);
    const life = revocations.lifeOf(caller, req.signal);
    try {
      const res = await untilAborted(next({ ...req, signal: life.signal }), life.signal);
      if (res.stream) return { ...res, message: messagesDuring(res.message, life) };
      life[Symbol.dispose]();
      return res;
    } catch (error) {
      life[Symbol.dispose]();
      throw error;
    }
  };

async function* messagesDuring<T>(messages: AsyncIterable<T>, life: TimedSignal) {
  using _ = life;
  yield* messagesUntilAborted(messages, life.signal);
}

import { deleteStale } from "./memory-sweep.ts";
import type { SessionStore, Sweep } from "./store.ts";
import type { User } from "./user.ts";

interface Session {
  readonly userId: string;
  readonly expireTime: number;
  readonly tokens: Map<string, Token>;
  revoked: boolean;
}
interface Token {
  used?: { readonly time: number; readonly nonce: string };
}

export function memorySessions(
  findUser: (id: string) => Promise<User | undefined>,
): SessionStore & { sweep(sweep: Sweep): number } {
  const sessions = new Map<string, Session>();
  const find = (hash: string) => {
    const session = [...sessions.values()].find(({ tokens }) => tokens.has(hash));
    const token = session?.tokens.get(hash);
    return (
      session &&
      token && { session, token, live: !session.revoked && session.expireTime > Date.now() }
    );
  };

  return {
    async createSession({ id, userId, tokenHash, lifetime }) {
      sessions.set(id, {
        userId,
        expireTime: Date.now() + lifetime,
        tokens: new Map([[tokenHash, {}]]),
        revoked: false,
      });
    },
    async rotateToken({ tokenHash, successorHash, nonce }) {
      const found = find(tokenHash);
      if (!found?.live || found.token.used) return undefined;
      found.token.used = { time: Date.now(), nonce };
      found.session.tokens.set(successorHash, {});
      return findUser(found.session.userId);
    },
    async traceToken(tokenHash, grace) {
      const found = find(tokenHash);
      if (!found?.live || !found.token.used) return { kind: "invalid" };
      const { session, token } = found;
      if (token.used && token.used.time > Date.now() - grace) {
        const user = await findUser(session.userId);
        return user ? { kind: "retried", nonce: token.used.nonce, user } : { kind: "invalid" };
      }
      session.revoked = true;
      return { kind: "reused", userId: session.userId };
    },
    async revokeSession(tokenHash) {
      const found = find(tokenHash);
      if (found === undefined || found.session.revoked) return undefined;
      found.session.revoked = true;
      return found.session.userId;
    },
    sweep: ({ batch }) =>
      deleteStale(sessions, batch, ({ expireTime }) => expireTime <= Date.now()),
  };
}

import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { TokenResponse } from "@tercet/gen/identity/v1/identity";
import type { Api } from "./api.ts";
import { AdminError, EXIT } from "./errors.ts";
import {
  changeLogin,
  keepDeviceToken,
  type Login,
  readDeviceToken,
  readLogin,
} from "./login-file.ts";

/** A token is replaced before it expires: calls take time, and clocks differ. */
const EARLY_MS = 30_000;
/**
 * A refresh token whose response was lost gives the same successor for 10 seconds, so the next try
 * is at once. All tries are shorter than a lock of the login file is valid.
 */
const REFRESH = { tries: 3, timeoutMs: 3_000 };

/** The login at one system, which the address of its Identity names. */
export interface Session {
  /** Replaces a login that exists. Resolves to the new one. */
  logIn(email: string, password: string): Promise<Login>;
  /** Resolves to the login that it ended; undefined if there was none. */
  logOut(): Promise<Login | undefined>;
  current(): Promise<Login | undefined>;
  accessToken(rejected?: string): Promise<string>;
}

/** The API of the last argument makes calls without a token. */
export function openSession(
  file: string,
  system: string,
  { identity }: Pick<Api, "identity">,
): Session {
  const isFresh = (login: Login, rejected: string | undefined) =>
    login.accessToken !== rejected && login.accessExpireMs - EARLY_MS > Date.now();

  const refresh = async (login: Login, tries = REFRESH.tries): Promise<Login> => {
    try {
      const { refreshToken } = login;
      return toLogin(await identity.refresh({ refreshToken }, { timeoutMs: REFRESH.timeoutMs }));
    } catch (error) {
      if (tries === 1 || !isUnknown(ConnectError.from(error))) throw error;
      return await refresh(login, tries - 1);
    }
  };

  return {
    current: () => readLogin(file, system),

    async logIn(email, password) {
      const deviceToken = await readDeviceToken(file, system, email);
      const response = await identity.login({ email, password, deviceToken });
      await keepDeviceToken(file, system, email, response.deviceToken);
      const login = toLogin(response);
      await this.logOut().catch(() => {});
      return await changeLogin(file, system, async () => login);
    },

    async logOut() {
      let ended: Login | undefined;
      await changeLogin(file, system, async (login) => {
        ended = login;
        return undefined;
      });
      if (ended !== undefined) await identity.logout({ refreshToken: ended.refreshToken });
      return ended;
    },

    async accessToken(rejected) {
      const known = await readLogin(file, system);
      if (known !== undefined && isFresh(known, rejected)) return known.accessToken;
      let ended = false;
      const login = await changeLogin(file, system, async (current) => {
        // Another process may have refreshed it while this one waited.
        if (current === undefined || isFresh(current, rejected)) return current;
        return await refresh(current).catch((error: unknown) => {
          if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
          ended = true;
          return undefined;
        });
      });
      if (login !== undefined) return login.accessToken;
      throw new AdminError(
        `${ended ? "the login has ended" : `not logged in at ${system}`}: run "pnpm admin login EMAIL"`,
        EXIT.loggedOut,
      );
    },
  };
}

const isUnknown = ({ code }: ConnectError) =>
  code === Code.Unavailable || code === Code.DeadlineExceeded;

const toLogin = ({ accessToken, refreshToken, expiresIn, user }: TokenResponse): Login => ({
  email: user?.email ?? "",
  userId: user?.id ?? "",
  accessToken,
  accessExpireMs: Date.now() + (expiresIn ? durationMs(expiresIn) : 0),
  refreshToken,
});

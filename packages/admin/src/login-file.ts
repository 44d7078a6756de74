import { dirname, join } from "node:path";
import envPaths from "env-paths";
import { z } from "zod";
import { changeEntry, readEntry } from "./private-file.ts";

const login = z.object({
  email: z.string(),
  userId: z.string(),
  accessToken: z.string(),
  /** By this machine's clock, in milliseconds since 1970. */
  accessExpireMs: z.number(),
  refreshToken: z.string(),
});
export type Login = z.output<typeof login>;

/** The user's configuration folder, by the rules of the operating system (XDG_CONFIG_HOME). */
export const loginFile = (): string =>
  join(envPaths("tercet", { suffix: "" }).config, "logins.json");

/** Resolves to the login at a system; undefined if there is none. */
export const readLogin = (file: string, system: string): Promise<Login | undefined> =>
  readEntry(file, login, system);

/**
 * Replaces the login at a system by what `change` resolves to; undefined removes it. Of several
 * processes, one at a time changes the file: a refresh token can be used once.
 */
export const changeLogin = <T extends Login | undefined>(
  file: string,
  system: string,
  change: (current: Login | undefined) => Promise<T>,
): Promise<T> => changeEntry(file, login, system, change);

/** By email address: what shows Identity that this device is known. It outlives a logout. */
const devices = z.record(z.string(), z.string());

/** As Identity compares addresses. */
const keyOf = (email: string): string => email.trim().toLowerCase();

const deviceFile = (file: string): string => join(dirname(file), "devices.json");

/** Resolves to "" for a device that has not logged in before, as Identity expects. */
export async function readDeviceToken(
  file: string,
  system: string,
  email: string,
): Promise<string> {
  return (await readEntry(deviceFile(file), devices, system))?.[keyOf(email)] ?? "";
}

export async function keepDeviceToken(
  file: string,
  system: string,
  email: string,
  token: string,
): Promise<void> {
  await changeEntry(deviceFile(file), devices, system, async (current) => ({
    ...current,
    [keyOf(email)]: token,
  }));
}

import { z } from "zod";

/** Text for which `problemOf` finds no problem. No message has the text, which may be secret. */
const checked = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== undefined) context.addIssue(problem);
  });

/** The address of an HTTP server. */
export const httpUrl = checked((text) => {
  if (!/^https?:\/\//i.test(text)) return "must begin with http:// or https://";
  if (!URL.canParse(text)) return "is not a URL";
  const { username, password } = new URL(text);
  return isEncoded(username + password) ? undefined : `is not a URL: ${ENCODE}`;
});

const ENCODE =
  "in its user name and password write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25";
const AUTHORITY = /^(?:[^@/?#]*@)?([^@/?#]*)(?:\/[^@/?#]*)?(?:\?[^@#]*)?$/;
const HOST = /^(?:[\w.-]*|\[[\da-f:.]+\]|%2f[\w.%-]*)(?::(\d{1,5}))?$/i;
const MAX_PORT = 65_535;

/** The address of a database, of one of these schemes: "postgres", "mongodb+srv". */
export const databaseUrl = (...schemes: readonly [string, ...string[]]) =>
  checked((text) => {
    const scheme = schemes.find((name) => text.startsWith(`${name}://`));
    if (scheme === undefined) return `must begin with ${schemes.map(begin).join(" or ")}`;
    const hosts = AUTHORITY.exec(text.slice(begin(scheme).length))?.[1];
    if (hosts === undefined || !isEncoded(text)) return `is not a URL: ${ENCODE}`;
    return hosts.split(",").every(isHost)
      ? undefined
      : `has a host or port that cannot be: ${begin(scheme)}user:password@host:port/name`;
  });

/** The address of a PostgreSQL database. */
export const postgresUrl = databaseUrl("postgres", "postgresql");

/**
 * Returns the URL of another database of the same server, with the same options. Not by `URL`,
 * which refuses several hosts.
 */
export const atDatabase = (url: string, name: string): string =>
  url.replace(/^(\w[\w+]*:\/\/(?:[^@/?]*@)?[^/?]*)(?:\/[^?]*)?/, `$1/${name}`);

const begin = (scheme: string): string => `${scheme}://`;

function isHost(text: string): boolean {
  const [isMatch, port] = HOST.exec(text) ?? [];
  return isMatch !== undefined && Number(port ?? 0) <= MAX_PORT;
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

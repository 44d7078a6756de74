import { invalidField } from "./errors.ts";

const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 100;

/** Returns the page size for a request: 0 means 50, more than 100 means 100. */
export const pageSize = (requested: number): number =>
  requested === 0 ? DEFAULT_PAGE_SIZE : Math.min(requested, MAX_PAGE_SIZE);

/** Makes the key of a page's last row opaque. */
export const encodePageToken = (key: string): string => Buffer.from(key).toString("base64url");

/**
 * Returns the key in a page token; undefined for the first page. Throws INVALID_FIELD if `pattern`
 * does not match.
 */
export function decodePageToken(token: string, pattern: RegExp = UUID): string | undefined {
  if (token === "") return undefined;
  const key = Buffer.from(token, "base64url").toString();
  if (!pattern.test(key))
    throw invalidField("page_token", "is not a token that this method returned");
  return key;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns one page of `size + 1` rows; the extra row shows that there are more. */
export function toPage<Row>(
  rows: readonly Row[],
  size: number,
  key: (row: Row) => string,
): { rows: readonly Row[]; nextPageToken: string } {
  const last = rows[size - 1];
  const more = rows.length > size && last !== undefined;
  return { rows: rows.slice(0, size), nextPageToken: more ? encodePageToken(key(last)) : "" };
}

import { invalidField } from "./errors.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 100;

/** 0 means 50; more than 100 means 100. */
export const pageSize = (requested: number): number =>
  requested === 0 ? DEFAULT_PAGE_SIZE : Math.min(requested, MAX_PAGE_SIZE);

/** Hides the key of a page's last row, so that callers do not come to depend on it. */
export const encodePageToken = (key: string): string => Buffer.from(key).toString("base64url");

/**
 * The key in a page token; undefined for the first page. Throws INVALID_FIELD when `pattern` does
 * not match.
 */
export function decodePageToken(token: string, pattern: RegExp = UUID): string | undefined {
  if (token === "") return undefined;
  const key = Buffer.from(token, "base64url").toString();
  if (!pattern.test(key)) throw invalidField("page_token", "is not one that this method gave out");
  return key;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One page out of `size + 1` rows: the extra row tells that there are more. */
export function toPage<Row>(
  rows: readonly Row[],
  size: number,
  key: (row: Row) => string,
): { rows: readonly Row[]; nextPageToken: string } {
  const last = rows[size - 1];
  const more = rows.length > size && last !== undefined;
  return { rows: rows.slice(0, size), nextPageToken: more ? encodePageToken(key(last)) : "" };
}

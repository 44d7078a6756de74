import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/** A name as Node writes it. */
const PLAIN_NAME = /^[a-z0-9-]+$/;
/** A value that `Headers` keeps as it is. */
const PLAIN_VALUE = /^[!-~](?:[ -~]*[!-~])?$/;

/**
 * What Node has parsed as `Headers`, which are built when they are first changed or listed:
 * that costs as much as decoding a message, and most calls only look some up.
 */
export class LazyHeaders implements Headers {
  #given: IncomingHttpHeaders;
  #isOwn = false;
  #built: Headers | undefined;

  /** @param given as Node parses them: names in lower case, HTTP/2's own beginning with ":" */
  constructor(given: IncomingHttpHeaders) {
    this.#given = given;
  }

  /** Adds them to the fields of a message of Node, in place of those that are there. */
  addTo(fields: OutgoingHttpHeaders): void {
    if (this.#built === undefined) Object.assign(fields, this.#given);
    else addHeaders(fields, this.#built);
  }

  get #headers(): Headers {
    this.#built ??= toHeaders(this.#given);
    return this.#built;
  }

  get(name: string): string | null {
    if (this.#built === undefined && PLAIN_NAME.test(name)) {
      const value = this.#given[name];
      if (value === undefined) return null;
      if (typeof value === "string") return value;
    }
    return this.#headers.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  append(name: string, value: string): void {
    this.#headers.append(name, value);
  }

  set(name: string, value: string): void {
    if (this.#built !== undefined || !PLAIN_NAME.test(name) || !PLAIN_VALUE.test(value)) {
      this.#headers.set(name, value);
      return;
    }
    if (!this.#isOwn) this.#given = { ...this.#given };
    this.#isOwn = true;
    this.#given[name] = name === "set-cookie" ? ([value] as never) : value;
  }

  delete(name: string): void {
    this.#headers.delete(name);
  }

  getSetCookie(): string[] {
    return this.#headers.getSetCookie();
  }

  forEach(visit: (value: string, key: string, parent: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this.#headers) visit.call(thisArg, value, name, this);
  }

  entries(): ReturnType<Headers["entries"]> {
    return this.#headers.entries();
  }

  keys(): ReturnType<Headers["keys"]> {
    return this.#headers.keys();
  }

  values(): ReturnType<Headers["values"]> {
    return this.#headers.values();
  }

  [Symbol.iterator](): ReturnType<Headers["entries"]> {
    return this.entries();
  }
}

// For `instanceof`.
Object.setPrototypeOf(LazyHeaders.prototype, Headers.prototype);

/** As `addTo`, of any headers. Only `set-cookie` has several values. */
export function addHeaders(fields: OutgoingHttpHeaders, headers: Headers): void {
  let cookies: string[] | undefined;
  for (const [name, value] of headers) {
    if (name !== "set-cookie") fields[name] = value;
    else fields[name] = cookies = [...(cookies ?? []), value];
  }
}

function toHeaders(given: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

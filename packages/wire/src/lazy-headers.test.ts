import fc from "fast-check";
import { expect, test } from "vitest";
import { LazyHeaders } from "./lazy-headers.ts";

const names = ["authorization", "x-a", "x-b-bin", "set-cookie", "constructor", "absent"];
const spelt = fc.constantFrom(...names, ...names.map((name) => name.toUpperCase()));
const value = fc.constantFrom("", "a", "a, b", "\u00e9");
const given = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...names.slice(0, -1)), value), { selector: ([n]) => n })
  .map((fields) => ({
    ":method": "POST",
    ...Object.fromEntries(fields.map(([n, v]) => [n, n === "set-cookie" ? [v, "c=2"] : v])),
  }));
const change = fc.record({
  act: fc.constantFrom("get", "has", "set", "append", "delete", "list", "visit", "copy"),
  name: spelt,
  value,
});

/** The same by `Headers` itself. */
function built(fields: Record<string, string | string[]>): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(fields))
    if (!name.startsWith(":")) for (const one of [values].flat()) headers.append(name, one);
  return headers;
}

function apply(
  headers: Headers,
  { act, name, value }: { act: string; name: string; value: string },
) {
  switch (act) {
    case "get":
      return headers.get(name);
    case "has":
      return headers.has(name);
    case "set":
      return headers.set(name, value);
    case "append":
      return headers.append(name, value);
    case "delete":
      return headers.delete(name);
    case "list":
      return [...headers.keys(), ...headers.values(), headers.getSetCookie()];
    case "visit": {
      const seen: string[] = [];
      headers.forEach((one, key) => {
        seen.push(key, one);
      });
      return seen;
    }
    default:
      return [...new Headers(headers)];
  }
}

test("behaves as Headers do, whatever is asked of it first", () => {
  fc.assert(
    fc.property(given, fc.array(change, { maxLength: 6 }), (fields, changes) => {
      const lazy = new LazyHeaders(fields);
      const headers = built(fields);
      for (const one of changes) expect(apply(lazy, one)).toEqual(apply(headers, one));
      expect([...lazy]).toEqual([...headers]);
    }),
  );
});

test("is an instance of Headers, and refuses a name that is none", () => {
  const lazy = new LazyHeaders({ ":path": "/" });
  expect(lazy).toBeInstanceOf(Headers);
  expect(() => lazy.get(":path")).toThrow(TypeError);
  expect(() => lazy.get("not valid")).toThrow(TypeError);
});

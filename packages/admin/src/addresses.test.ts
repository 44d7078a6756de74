import { expect, test } from "vitest";
import { addressesOf } from "./addresses.ts";

test("the system of pnpm start is the default", () => {
  const edge = "http://127.0.0.1:8000";
  expect(addressesOf({}, {})).toEqual({ identity: edge, order: edge, payment: edge });
});

test("a service's variable is stronger than TERCET_URL, and --url than all", () => {
  const env = { TERCET_URL: "https://shop.example/api/", TERCET_ORDER_URL: "http://[::1]:5011" };
  const shop = "https://shop.example/api";
  expect(addressesOf({}, env)).toEqual({
    identity: shop,
    order: "http://[::1]:5011",
    payment: shop,
  });
  const url = "https://other.example";
  expect(addressesOf({ url }, env)).toEqual({ identity: url, order: url, payment: url });
});

test.each([
  ["shop.example", /--url: "shop.example" is not a URL/],
  ["ftp://shop.example", /is not a URL/],
  ["https://me:secret@shop.example", /no user/],
  ["https://shop.example/?a=b", /no user, query/],
  ["http://shop.example", /in the clear; use https, or --allow-http/],
  ["http://127.0.0.1.shop.example", /in the clear/],
  ["http://localhost.shop.example", /in the clear/],
])("%s is refused", (url, message) => {
  expect(() => addressesOf({ url }, {})).toThrow(message);
});

test("http to another machine is possible on request", () => {
  const url = "http://shop.example";
  expect(addressesOf({ url, allowHttp: true }, {}).order).toBe(url);
});

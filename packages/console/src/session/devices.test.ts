import { expect, test } from "vitest";
import { deviceToken, keepDeviceToken } from "./devices.ts";

function storeOf(text: string | null = null) {
  return {
    getItem: () => text,
    setItem: (_key: string, value: string) => {
      text = value;
    },
  };
}

test("a token is kept for each address, however it is written", () => {
  const store = storeOf();
  keepDeviceToken("Me@example.com", "first", store);
  keepDeviceToken("you@example.com", "second", store);
  keepDeviceToken("me@example.com", "third", store);
  expect(deviceToken(" me@EXAMPLE.com", store)).toBe("third");
  expect(deviceToken("you@example.com", store)).toBe("second");
  expect(deviceToken("none@example.com", store)).toBe("");
});

test("only the last addresses are kept", () => {
  const store = storeOf();
  for (let index = 0; index < 20; index++)
    keepDeviceToken(`${index}@example.com`, `token-${index}`, store);
  expect(deviceToken("11@example.com", store)).toBe("");
  expect(deviceToken("12@example.com", store)).toBe("token-12");
});

test.each(["no JSON", "{}", "[1]", '[["me@example.com",1]]', "null"])(
  "%s in the store is no token",
  (text) => {
    const store = storeOf(text);
    expect(deviceToken("me@example.com", store)).toBe("");
    keepDeviceToken("me@example.com", "mended", store);
    expect(deviceToken("me@example.com", store)).toBe("mended");
  },
);

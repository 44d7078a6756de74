import { expect, test } from "vitest";
import { secretsIn } from "./secrets.ts";

const find = (text: string) => secretsIn(new Map([["a.txt", text]]));

// In parts, so that this file is not found itself.
test.each([
  ["a private key", `-----BEGIN EC ${"PRIVATE KEY-----"}\n${"MHcCAQEE".repeat(6)}`],
  ["a JSON Web Token", `ey${"JhbGciOiJFUzI1NiJ9"}.ey${"J".repeat(30)}.${"s".repeat(43)}`],
  ["an AWS access key", `AKIA${"ABCDEFGHIJKLMNOP"}`],
  ["a GitHub token", `ghp_${"a1".repeat(18)}`],
  ["an npm token", `npm_${"a1".repeat(18)}`],
])("finds %s, and names its line but not its value", (what, secret) => {
  expect(find(`first\n${secret}`)).toEqual([
    `a.txt:2 contains ${what}: revoke it, and read it from the environment`,
  ]);
});

test("words about secrets are not secrets", () => {
  expect(find("PRIVATE KEY, npm_config_registry, sk_test, AKIA, eyJ")).toEqual([]);
});

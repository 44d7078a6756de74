/** Tests of the host and of clients with FAST_PATH=off: calls are served and made by Connect. */
import { afterAll, expect, test, vi } from "vitest";
import { testConfig } from "./harness.ts";

vi.stubEnv("FAST_PATH", "off");
afterAll(() => void vi.unstubAllEnvs());

test("FAST_PATH=off turns the short way off", () => {
  expect(testConfig().fastPath).toBe(false);
});

for (const file of [
  "access",
  "client",
  "deadlines",
  "errors",
  "hostile-http",
  "hostile-messages",
  "limits",
  "protocols",
])
  await import(`./${file}.test.ts`);

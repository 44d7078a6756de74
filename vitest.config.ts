import { defineConfig } from "vitest/config";

export default defineConfig({
  ssr: { resolve: { conditions: ["source"] } },
  resolve: { conditions: ["source"] },
  test: {
    include: ["{gateway,packages,perf}/**/{src,test}/**/*.test.ts", "{infra,scripts}/**/*.test.ts"],
    globalSetup: ["./vitest.global.ts"],
    pool: "forks",
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});

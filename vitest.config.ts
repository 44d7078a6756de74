import { defineConfig } from "vitest/config";

export default defineConfig({
  ssr: { resolve: { conditions: ["source"] } },
  resolve: { conditions: ["source"] },
  test: {
    include: ["{perf,packages}/**/{src,test}/**/*.test.ts", "scripts/**/*.test.ts"],
    globalSetup: ["./vitest.global.ts"],
    pool: "forks",
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});

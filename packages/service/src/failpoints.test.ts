import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ConfigError, parseEnv } from "./config.ts";
import {
  FailpointError,
  type Failpoints,
  failpointEnv,
  failpointNames,
  failpointsOnlyInTests,
  withFailpoints,
} from "./failpoints.ts";

const names = failpointNames({ store: ["add", "read"], provider: ["charge"] });
const shape = failpointsOnlyInTests(z.object(failpointEnv(names)));
const arm = (FAILPOINTS: string, NODE_ENV = "test"): Failpoints =>
  parseEnv("order", shape, { FAILPOINTS, NODE_ENV }).FAILPOINTS;

const problems = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join("\n");
    throw error;
  }
  return "";
};

class Store {
  #sum = 0;
  async add(step: number): Promise<number> {
    this.#sum += step;
    return this.#sum;
  }
  async read(): Promise<number> {
    return this.#sum;
  }
}

describe("FAILPOINTS", () => {
  test("has a failpoint before and after every method", () => {
    expect(names).toEqual([
      ...["before:store.add", "after:store.add", "before:store.read", "after:store.read"],
      ...["before:provider.charge", "after:provider.charge"],
    ]);
  });

  test("arms several", () => {
    expect(arm(" before:store.add=kill; after:provider.charge=delay(500)@2 ;")).toEqual([
      { when: "before", area: "store", method: "add", action: { kind: "kill" }, hit: 1 },
      {
        when: "after",
        area: "provider",
        method: "charge",
        action: { kind: "delay", ms: 500 },
        hit: 2,
      },
    ]);
    expect(parseEnv("order", shape, { NODE_ENV: "production" }).FAILPOINTS).toEqual([]);
  });

  test.each([
    "before:store.add",
    "before:store.add=die",
    "before:store.add=delay",
    "before:store.add=kill@0",
    "=kill",
  ])("%j is refused", (text) => {
    expect(problems(() => arm(text))).toContain(`FAILPOINTS: "${text}" is not NAME=kill`);
  });

  test("an unknown name is refused, and the known ones are listed", () => {
    const found = problems(() => arm("before:store.sub=kill;during:store.add=kill"));
    expect(found).toContain(
      'there is no failpoint "before:store.sub"; there are before:store.add, after:store.add,',
    );
    expect(found).toContain('there is no failpoint "during:store.add"');
  });

  test.each(["production", ""])("with NODE_ENV %j nothing is armed", (mode) => {
    expect(problems(() => arm("before:store.add=kill", mode))).toBe(
      "FAILPOINTS: needs NODE_ENV=test",
    );
  });
});

describe("withFailpoints", () => {
  test("returns the target itself if nothing is armed", () => {
    const store = new Store();
    expect(withFailpoints([], "store", store)).toBe(store);
    expect(withFailpoints(arm("before:provider.charge=throw"), "store", store)).toBe(store);
  });

  test("before: the call is not made; after: it is made, and its result is lost", async () => {
    const store = new Store();
    await expect(
      withFailpoints(arm("before:store.add=throw"), "store", store).add(1),
    ).rejects.toThrow(FailpointError);
    expect(await store.read()).toBe(0);
    await expect(
      withFailpoints(arm("after:store.add=throw"), "store", store).add(1),
    ).rejects.toThrow("after:store.add");
    expect(await store.read()).toBe(1);
  });

  test("acts on its hit only", async () => {
    const store = withFailpoints(arm("before:store.add=throw@2"), "store", new Store());
    expect(await store.add(1)).toBe(1);
    await expect(store.add(1)).rejects.toThrow(FailpointError);
    expect(await store.add(1)).toBe(2);
    expect(await store.read()).toBe(2);
  });

  test("delays, and hangs", async () => {
    const store = withFailpoints(
      arm("before:store.add=delay(30);after:store.read=hang"),
      "store",
      new Store(),
    );
    const start = performance.now();
    expect(await store.add(1)).toBe(1);
    expect(performance.now() - start).toBeGreaterThan(25);
    expect(await Promise.race([store.read(), store.add(1).then(() => "still hanging")])).toBe(
      "still hanging",
    );
  });

  test("kills the process", async () => {
    const script = `
      import { withFailpoints } from ${JSON.stringify(new URL("failpoints.ts", import.meta.url).href)};
      const armed = [{ when: "after", area: "store", method: "add", action: { kind: "kill" }, hit: 1 }];
      await withFailpoints(armed, "store", { add: async () => console.log("added") }).add();
      console.log("alive");`;
    const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    const [, signal] = await once(child, "close");
    expect({ signal, output }).toEqual({ signal: "SIGKILL", output: "added\n" });
  });
});

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { expect, test } from "vitest";
import { CONSOLE_FILES, CONSOLE_PAGES } from "./console-paths.ts";
import { parseKongConfig } from "./kong-config.ts";
import { routeOf } from "./router.ts";

const CONSOLE = join(ROOT, "packages/console");
const kong = parseKongConfig(await readFile(join(ROOT, "gateway/kong.yml"), "utf8"));
const routeFor = (path: string, method = "GET") => routeOf(kong, { method, path })?.route.name;

test("the gateway routes every page of the console but the crash lab", async () => {
  const router = await readFile(join(CONSOLE, "src/router.tsx"), "utf8");
  const pages = [...router.matchAll(/\bpath: "([^"]+)"/g)].map(([, path]) => path);
  expect(pages.length).toBeGreaterThan(10);
  expect([...CONSOLE_PAGES, "/lab"].sort()).toEqual(pages.sort());
  for (const page of CONSOLE_PAGES)
    expect(routeFor(page.replace(/\$\w+/, crypto.randomUUID())), page).toBe("console-pages");
});

test("the gateway routes every file of the console", async () => {
  const files = (await readdir(join(CONSOLE, "public"))).map((file) => `/${file}`);
  expect([...CONSOLE_FILES].sort()).toEqual(["/assets/$file", "/console.json", ...files].sort());
  for (const file of [...files, "/assets/index-D0D42-W_.js", "/assets/index-abc.css"])
    expect(routeFor(file), file).toBe("console-files");
});

test("nothing else leads to the console, and nothing is written there", () => {
  for (const path of ["/lab", "/lab/money", "/assets/", "/assets/a/b.js", "/orders/a/b", "/auth"])
    expect(routeFor(path), path).toBeUndefined();
  for (const path of ["/", "/orders", "/assets/index-abc.js"])
    expect(routeFor(path, "POST"), path).toBeUndefined();
  expect(routeFor("/auth/me")).toBe("auth-me");
});

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "@tercet/cli/repository";
import { afterAll, expect, test } from "vitest";

const torn = "A multi-statement transaction is torn";

// biome runs no plugins on standard input, so the repository's plugin setting is used in a folder
// of its own.
const folder = mkdtempSync(join(tmpdir(), "tercet-lint-"));
const { plugins } = JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8")) as {
  plugins: { path: string }[];
};
const settings = {
  plugins: plugins.map((plugin) => ({ ...plugin, path: join(ROOT, plugin.path) })),
};
writeFileSync(join(folder, "biome.json"), JSON.stringify(settings));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function lint(path: string, text: string): string {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  const args = ["lint", "--only=plugin", "--colors=off", path];
  const { stdout, stderr, error } = spawnSync(join(ROOT, "node_modules/.bin/biome"), args, {
    cwd: folder,
    encoding: "utf8",
  });
  if (error) throw error;
  // Else the settings were refused, or left the file out, and nothing would be found in it.
  expect(stdout + stderr).toContain("Checked 1 file");
  return stdout + stderr;
}

test.each([
  ["await sql.begin(async (tx) => tx`select 1`);"],
  ['await sql.begin("read only", async (tx) => tx`select 1`);'],
  ["await sql.begin<number>(async () => 1);"],
  ["await this.client.sql?.begin(async () => {});"],
  ['await sql["begin"](async () => {});'],
  ["await sql\n  .begin(() => {});"],
  ["const connection = await sql.reserve();"],
  ["await db.transaction(async (tx) => tx.execute(one));"],
  ["await database().transaction(async () => {});"],
  ["await postgres(url, { max: 1 }).begin(work);"],
  ["await drizzle(pool).transaction(work);"],
])("%s", (statement) =>
  expect(lint("packages/order/src/store.ts", `${statement}\n`)).toContain(torn),
);

test.each([
  ["await inventory.reserve({ sku, quantity });"],
  ["animation.begin(() => draw());"],
  ["const seat = await this.seats.reserve();"],
  ["await client.reserve(request, { signal });"],
  ["mysql.transaction;"],
  ["await mysql.begin(work);"],
])("of another object it is fine: %s", (statement) =>
  expect(lint("packages/order/src/store.ts", `${statement}\n`)).not.toContain(torn),
);

test("one statement is fine, and so are migrations", () => {
  expect(
    lint("packages/order/src/store.ts", "await sql`select 1`;\nconst begin = order.begin;\n"),
  ).not.toContain(torn);
  expect(
    lint("packages/order/migrations/fill.ts", "await sql.begin(async () => {});\n"),
  ).not.toContain(torn);
});

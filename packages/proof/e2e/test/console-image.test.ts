import type { ChildProcess } from "node:child_process";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, ROOT, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { SITE_HEADERS } from "@tercet/console-server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { environmentOf, readCompose } from "./docker/compose.ts";
import { buildImages, CONSOLE_DOCKERFILE, finished, type Image, runImage } from "./docker/image.ts";
import { processOne, whyNoSandbox } from "./docker/sandbox.ts";
import { patient } from "./patience.ts";

const run = promisify(execFile);
/** An upper bound somewhat above the present size, nearly all of which is Node. */
const MOST_MIB = 180;

const why = await whyNoSandbox();
if (why !== undefined)
  process.stderr.write(`WITHOUT A SANDBOX: ${CONSOLE_DOCKERFILE} is not carried out: ${why}\n`);

describe.skipIf(why !== undefined)("what infra/docker/console.Dockerfile makes", () => {
  let scratch: TemporaryFolder;
  let image: Image;
  let files: string[];
  let running: ChildProcess | undefined;

  beforeAll(async () => {
    scratch = await temporaryFolder("console-image");
    const { stdout: store } = await run("npx", ["-y", "pnpm", "store", "path"], { cwd: ROOT });
    await mkdir(store.trim(), { recursive: true });
    const [built] = await buildImages({
      scratch: scratch.path,
      dockerfile: CONSOLE_DOCKERFILE,
      services: ["console"],
      caches: { "/pnpm/store": store.trim() },
    });
    image = built as Image;
    const entries = await readdir(image.root, { recursive: true, withFileTypes: true });
    files = entries
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name).slice(image.root.length));
  }, patient(900_000));
  afterAll(async () => {
    running?.kill("SIGKILL");
    await scratch?.[Symbol.asyncDispose]();
  });

  test("is Node, its libraries and the program: no shell, no package manager", async () => {
    const outside = files.filter((file) => !file.startsWith("/app/"));
    expect(outside).toContain("/usr/local/bin/node");
    for (const file of outside)
      expect(file).toMatch(/^\/(usr\/local\/bin\/node|LICENSE|(usr\/)?lib(64)?\/.*\.so\.\d+)$/);
    const { stdout } = await run("du", ["--summarize", "--block-size=MiB", image.root]);
    process.stderr.write(`image of the console: ${stdout.split("\t")[0]}, ${files.length} files\n`);
    expect(Number.parseInt(stdout, 10)).toBeLessThan(MOST_MIB);
  });

  test("has the console's files, and nothing of what serves development", () => {
    const app = files.filter((file) => file.startsWith("/app/"));
    expect(app).toEqual(expect.arrayContaining(["/app/dist/main.js", "/app/dist/healthcheck.js"]));
    expect(
      app.filter((file) => /@tercet\/console\/dist\/index\.html(\.br)?$/.test(file)),
    ).toHaveLength(2);
    expect(
      app.filter((file) =>
        /@tercet\/(?!console(-server)?(\/|$))|\/@tercet\/lab|\/@tercet\/stack/.test(file),
      ),
    ).toEqual([]);
    const ours = app.filter(
      (file) => !file.includes("/node_modules/") || file.includes("/@tercet/"),
    );
    expect(
      ours.filter((file) => /\.(ts|tsx|tsbuildinfo|env|pem|key)$|\.test\./.test(file)),
    ).toEqual([]);
    expect(
      app.filter((file) => /\/(react|vite|typescript|lucide-react|playwright-core)@/.test(file)),
    ).toEqual([]);
  });

  test("runs as a user id that no host has, with labels that say what it is", () => {
    expect(image.user).toEqual({ uid: 10001, gid: 10001 });
    expect(image.labels).toMatchObject({
      "org.opencontainers.image.title": "tercet-console",
      "org.opencontainers.image.licenses": "Apache-2.0",
    });
    expect(image.entrypoint[0]).toBe("/usr/local/bin/node");
  });

  test("serves the console as process 1, without rights, on a root that it cannot write to", async () => {
    const { services } = await readCompose();
    const port = await freePort();
    const env = { ...environmentOf(services["console"] ?? {}, {}), PORT: String(port) };
    running = await runImage(image, { env });
    const said: string[] = [];
    for (const stream of [running.stdout, running.stderr])
      stream?.on("data", (chunk) => void said.push(String(chunk)));
    // The command of Compose's health check.
    const [, node = "", ...args] = services["console"]?.healthcheck?.test ?? [];
    const healthy = async () =>
      (await finished(await runImage({ ...image, entrypoint: [node] }, { env, args }))).code === 0;
    await vi
      .waitUntil(healthy, { timeout: patient(20_000), interval: 250 })
      .catch(() => expect.unreachable(said.join("")));

    const page = await fetch(`http://127.0.0.1:${port}/orders`, {
      headers: { accept: "text/html" },
    });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<div id="root">');
    expect(Object.fromEntries(page.headers)).toMatchObject(SITE_HEADERS);
    expect((await fetch(`http://127.0.0.1:${port}/lab/money`)).status).toBe(404);

    const pid = await processOne(running);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    expect(status).toMatch(/^Uid:\s+10001\s+10001\s+10001\s+10001$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^NSpid:\s+\d+\s+1$/m);
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, "utf8")).split("\n");
    expect(mounts.find((line) => line.split(" ")[4] === "/")).toContain(" ro,");

    const ended = finished(running);
    process.kill(pid, "SIGTERM");
    expect((await ended).code, said.join("")).toBe(0);
    expect(said.join("")).toMatch(/"event":"stopped"/);
    expect(await healthy()).toBe(false);
  });
});

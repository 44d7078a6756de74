import { type ChildProcess, execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  freePort,
  ROOT,
  recordOf,
  serviceNames,
  type TemporaryFolder,
  temporaryFolder,
} from "@tercet/cli";
import { readBook } from "@tercet/payment";
import type { Env } from "@tercet/service";
import { type TestDatabase, testDatabase } from "@tercet/service/testing";
import { type ServiceName, startEdge } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { environmentOf, parseEnvFile, readCompose } from "./docker/compose.ts";
import { buildImages, finished, type Image, runImage } from "./docker/image.ts";
import { processOne, whyNoSandbox } from "./docker/sandbox.ts";
import { patient } from "./patience.ts";
import { onPath } from "./tool.ts";

const run = promisify(execFile);
const names = ["identity", "order", "payment"] as const;
const BOOK = "/var/lib/provider-book";
/** An upper bound somewhat above the present sizes: every node of a cluster downloads an image. */
const MOST_MIB = 130;

const why = await whyNoSandbox();
if (why !== undefined)
  process.stderr.write(`WITHOUT A SANDBOX: infra/docker/Dockerfile is not carried out: ${why}\n`);
const probe = await onPath("grpc-health-probe");

describe.skipIf(why !== undefined)("what infra/docker/Dockerfile makes", () => {
  let scratch: TemporaryFolder;
  const images = {} as Record<ServiceName, Image>;
  const databases = {} as Record<ServiceName, TestDatabase>;
  const ports = {} as Record<ServiceName, number>;
  /** The last container of each service. */
  const running = {} as Record<ServiceName, ChildProcess>;
  const logs: Record<string, string[]> = {};
  let secrets: Record<string, string>;
  let book: string;

  beforeAll(async () => {
    scratch = await temporaryFolder("image");
    const { stdout: store } = await run("npx", ["-y", "pnpm", "store", "path"], { cwd: ROOT });
    await mkdir(store.trim(), { recursive: true });
    const built = await buildImages({
      scratch: scratch.path,
      services: names,
      caches: { "/pnpm/store": store.trim() },
    });
    for (const [index, name] of names.entries()) {
      images[name] = built[index] as Image;
      databases[name] = await testDatabase();
      ports[name] = await freePort();
    }
    const envFile = join(scratch.path, ".env");
    await run(join(ROOT, "infra/scripts/compose-env.sh"), [envFile]);
    secrets = parseEnvFile(await readFile(envFile, "utf8"));
    book = join(scratch.path, "book");
    await mkdir(book);
  }, patient(900_000));

  afterAll(async () => {
    for (const child of Object.values(running)) child.kill("SIGKILL");
    for (const name of names) await databases[name]?.[Symbol.asyncDispose]();
    await scratch?.[Symbol.asyncDispose]();
  });

  /**
   * The environment that infra/compose.yaml gives the service, with the addresses of this machine.
   */
  async function environment(name: ServiceName): Promise<Record<string, string>> {
    const { services } = await readCompose();
    const env = environmentOf(services[name] ?? {}, secrets);
    const here = (text: string) =>
      names.reduce(
        (moved, one) =>
          moved.replaceAll(new RegExp(`http://${one}:\\d+`, "g"), `http://127.0.0.1:${ports[one]}`),
        text,
      );
    const moved = Object.fromEntries(
      Object.entries(env).map(([variable, value]) => [variable, here(value)]),
    );
    // A job migrates the schema, as in a cluster.
    return {
      ...moved,
      HOST: "127.0.0.1",
      PORT: String(ports[name]),
      DATABASE_URL: databases[name].url,
      MIGRATE_AT_START: "false",
    };
  }

  async function start(name: ServiceName, env: Env = {}): Promise<ChildProcess> {
    const volumes = name === "payment" ? { [BOOK]: book } : {};
    const child = await runImage(images[name], {
      env: { ...(await environment(name)), ...env } as Record<string, string>,
      volumes,
    });
    running[name] = child;
    logs[name] = [];
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => void logs[name]?.push(String(chunk)));
    return child;
  }
  const urlOf = (name: ServiceName) => `http://127.0.0.1:${ports[name]}`;
  const healthcheck = async (name: ServiceName) => {
    const image = { ...images[name], entrypoint: ["node"] };
    const args = ["node_modules/@tercet/service/dist/healthcheck.js"];
    return (await finished(await runImage(image, { env: { PORT: String(ports[name]) }, args })))
      .code;
  };
  async function until(name: ServiceName, ready: () => Promise<boolean>): Promise<void> {
    await vi
      .waitUntil(ready, { timeout: 120_000, interval: 250 })
      .catch(() => expect.unreachable(`${name}:\n${logs[name]?.join("")}`));
  }

  test.each(names)("%s: what runs it, and nothing else", async (name) => {
    const app = join(images[name].root, "app");
    const files = (await readdir(app, { recursive: true, withFileTypes: true })).filter(
      (entry) => !entry.isDirectory(),
    );
    const paths = files.map(({ parentPath, name: file }) =>
      join(parentPath, file).slice(app.length + 1),
    );
    const ours = paths.filter(
      (path) => !path.startsWith("node_modules/") || path.includes("/node_modules/@tercet/"),
    );
    const ourOwn = ours.filter(
      (path) => !/\/node_modules\/(?!@tercet)[^/]+\/node_modules\//.test(path),
    );
    expect(paths).toEqual(
      expect.arrayContaining(["dist/main.js", "dist/migrate.js", "migrations/meta/_journal.json"]),
    );
    expect(
      ourOwn.filter((path) =>
        /\.(ts|tsx|mts|tsbuildinfo|env|pem|key)$|\btest\b|\.test\.|testing|contract/.test(path),
      ),
    ).toEqual([]);
    const packages = new Set(
      (await readdir(join(app, "node_modules/.pnpm"))).map((folder) =>
        folder.replace(/^(@?[^@]+)@.*/, "$1").replace("+", "/"),
      ),
    );
    const { devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const forDevelopment = [
      ...Object.keys(devDependencies),
      "drizzle-kit",
      "fast-check",
      "mongodb-memory-server",
      "esbuild",
    ];
    // These are dependencies at run time as well.
    const both = ["@bufbuild/protobuf", "@tercet/service", "@types/node", "yaml"];
    expect(forDevelopment.filter((one) => packages.has(one) && !both.includes(one))).toEqual([]);
    expect(packages.size).toBeGreaterThan(50);
    const { stdout } = await run("du", ["--summarize", "--block-size=MiB", "--apparent-size", app]);
    process.stderr.write(
      `image of ${name}: /app is ${stdout.split("\t")[0]}, ${paths.length} files\n`,
    );
    expect(Number.parseInt(stdout, 10)).toBeLessThan(MOST_MIB);
  });

  test.each(names)(
    "%s: runs as a user id that no host has, with labels that say what it is",
    (name) => {
      const { user, labels, entrypoint, cmd, env } = images[name];
      expect(user).toEqual({ uid: 10001, gid: 10001 });
      expect(labels).toMatchObject({
        "org.opencontainers.image.title": `tercet-${name}`,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": "unknown",
      });
      expect([...entrypoint, ...cmd]).toEqual([
        "node",
        "--enable-source-maps",
        "--import",
        "@tercet/service/telemetry",
        "dist/main.js",
      ]);
      expect(env).toMatchObject({ NODE_ENV: "production" });
    },
  );

  test.each(names)(
    "%s: does not start before its schema is there, and makes it by itself when asked",
    async (name) => {
      const { code, said } = await finished(await start(name));
      expect({ code, said }).toMatchObject({
        code: 1,
        said: expect.stringContaining("the database's schema is behind"),
      });
      const migrated = await finished(
        await runImage(images[name], {
          env: { DATABASE_URL: databases[name].url },
          args: ["dist/migrate.js"],
        }),
      );
      expect(migrated).toMatchObject({
        code: 0,
        said: expect.stringContaining("the schema is up to date"),
      });
    },
  );

  test("an order is placed through them: each process 1 of its own, without rights, on a root that it cannot write to", async () => {
    // An engine gives a new volume the owner of the image's folder.
    await run("chown", ["--reference", join(images.payment.root, BOOK), book]);
    await chmod(book, 0o700);
    await Promise.all(names.map((name) => start(name)));
    for (const name of names) await until(name, async () => (await healthcheck(name)) === 0);

    for (const name of names) {
      const pid = await processOne(running[name]);
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      expect(status).toMatch(/^Uid:\s+10001\s+10001\s+10001\s+10001$/m);
      expect(status).toMatch(/^CapEff:\s+0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(status).toMatch(/^NSpid:\s+\d+\s+1$/m);
      expect(
        (await readFile(`/proc/${pid}/mountinfo`, "utf8"))
          .split("\n")
          .find((line) => line.split(" ")[4] === "/"),
      ).toContain(" ro,");
      await expect(readFile(`/proc/${pid}/root${ROOT}/package.json`)).rejects.toThrow("ENOENT");
    }

    const users = JSON.parse(secrets["SEED_USERS"] ?? "[]") as {
      email: string;
      password: string;
    }[];
    const olivia = users.find(({ email }) => email.startsWith("olivia"));
    await run(join(ROOT, "infra/scripts/seed.sh"), [urlOf("identity"), urlOf("order")], {
      env: { PATH: process.env["PATH"], OPERATOR_PASSWORD: olivia?.password },
    });
    await using edge = await startEdge({
      port: await freePort(),
      upstreams: recordOf(serviceNames, urlOf),
    });
    const { stdout } = await run(join(ROOT, "infra/scripts/smoke.sh"), [edge.url], {
      env: { PATH: process.env["PATH"], GRPC_TARGET: "" },
    });
    expect(stdout).toContain("confirmed   and read again");
    expect((await readBook(book)).map(({ kind }) => kind)).toEqual(["charge"]);
  });

  test.skipIf(probe === undefined)("grpc_health_probe finds each serving", async () => {
    for (const name of names) {
      const { stderr } = await run(probe ?? "", [`-addr=127.0.0.1:${ports[name]}`]);
      expect(stderr).toContain("status: SERVING");
    }
  });

  test("the image has a probe with the options of grpc_health_probe", async () => {
    for (const name of names) {
      const image = { ...images[name], entrypoint: ["node"] };
      const program = "node_modules/@tercet/service/dist/grpc-health-probe.js";
      const args = [program, `-addr=:${ports[name]}`, "-connect-timeout=20s", "-rpc-timeout=20s"];
      expect(await finished(await runImage(image, { env: {}, args }))).toMatchObject({
        code: 0,
        said: expect.stringContaining("status: SERVING"),
      });
    }
  });

  test("SIGTERM ends each in order, although it is process 1", async () => {
    for (const name of names) {
      const child = running[name];
      const ended = finished(child);
      process.kill(await processOne(child), "SIGTERM");
      expect((await ended).code, logs[name]?.join("")).toBe(0);
      expect(logs[name]?.join("")).toMatch(/"msg":"draining".*"msg":"stopped"/s);
      expect(await healthcheck(name)).toBe(1);
    }
  });
});

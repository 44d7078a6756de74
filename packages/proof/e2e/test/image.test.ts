import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  freePort,
  ROOT,
  recordOf,
  serviceNames,
  type TemporaryFolder,
  temporaryFolder,
} from "@tercet/cli";
import {
  buildImages,
  type Engine,
  type Images,
  type Isolated,
  isRunning,
  LABEL,
  startEngine,
  TAG,
  whyNoEngine,
} from "@tercet/cluster";
import { SITE_HEADERS } from "@tercet/console-server";
import { readBook } from "@tercet/payment";
import { type TestDatabase, testDatabase } from "@tercet/service/testing";
import { type ServiceName, startEdge } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  COMPOSE_FILE,
  composeProgram,
  environmentOf,
  parseEnvFile,
  readCompose,
} from "./docker/compose.ts";
import { makeStandIns, overrideOf } from "./docker/compose-lite.ts";
import { type Container, startContainer } from "./docker/container.ts";
import { patient } from "./patience.ts";
import { onPath } from "./tool.ts";

const run = promisify(execFile);
const names = ["identity", "order", "payment"] as const;
const BOOK = "/var/lib/provider-book";
/** Upper bounds somewhat above the present sizes: every node of a cluster downloads an image. */
const MOST_MIB = { app: 130, console: 190 };
const HEALTHCHECK = ["node", "node_modules/@tercet/service/dist/healthcheck.js"];

const why = await whyNoEngine();
if (why !== undefined)
  process.stderr.write(`WITHOUT AN ENGINE: no image is built, no container started: ${why}\n`);
const probe = await onPath("grpc-health-probe");
const file = await readCompose();
const docker = await composeProgram();
const machines = why === undefined && (await isRunning());
if (docker === undefined || machines)
  process.stderr.write(
    "WITHOUT docker-compose 2, or with an engine whose ports are this machine's: infra/compose.yaml is not brought up; infra/scripts/compose-up.sh does that\n",
  );

describe.skipIf(why !== undefined)("the images, built and run by an engine", () => {
  let engine: Engine;
  let scratch: TemporaryFolder;
  let images: Images;
  const image = (name: string) => images.of(name);
  let secrets: Record<string, string>;
  const databases = {} as Record<ServiceName, TestDatabase>;
  const ports = {} as Record<ServiceName, number>;
  const running = {} as Record<ServiceName, Container>;

  beforeAll(async () => {
    engine = await startEngine();
    process.stderr.write(`images are built and run by ${engine.name}\n`);
    scratch = await temporaryFolder("image");
    images = await buildImages(engine, [...names, "console"], scratch.path);
    for (const name of names) {
      databases[name] = await testDatabase();
      ports[name] = await freePort();
    }
    const envFile = join(scratch.path, ".env");
    await run(join(ROOT, "infra/scripts/compose-env.sh"), [envFile]);
    secrets = parseEnvFile(await readFile(envFile, "utf8"));
  }, patient(900_000));

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    for (const name of names) await databases[name]?.[Symbol.asyncDispose]();
    await scratch?.[Symbol.asyncDispose]();
  });

  /** What infra/compose.yaml gives the service, with the addresses of this machine. */
  function environment(name: ServiceName): Record<string, string> {
    const here = (text: string) =>
      names.reduce(
        (moved, one) =>
          moved.replaceAll(new RegExp(`http://${one}:\\d+`, "g"), `http://127.0.0.1:${ports[one]}`),
        text,
      );
    const env = Object.entries(environmentOf(file.services[name] ?? {}, secrets));
    return {
      ...Object.fromEntries(env.map(([variable, value]) => [variable, here(value)])),
      HOST: "127.0.0.1",
      PORT: String(ports[name]),
      GRPC_PORT: "",
      DATABASE_URL: databases[name].url,
      // A job migrates the schema, as in a cluster.
      MIGRATE_AT_START: "false",
    };
  }

  const start = (name: ServiceName) =>
    startContainer(engine, {
      image: image(name),
      env: environment(name),
      volumes: name === "payment" ? [BOOK] : [],
    });
  const urlOf = (name: ServiceName) => `http://127.0.0.1:${ports[name]}`;
  async function untilHealthy(container: Container, command: readonly string[]): Promise<void> {
    const healthy = async () => (await container.exec(command)).code === 0;
    await vi
      .waitUntil(healthy, { timeout: patient(60_000), interval: 250 })
      .catch(async () => expect.unreachable(await container.logs()));
  }

  /** As a process in the container sees itself. */
  async function expectConfined(container: Container, node: string): Promise<void> {
    const write = 'fs.writeFileSync("/app/x", "")';
    const script = `console.log(fs.readFileSync("/proc/1/status", "utf8"));
      try { ${write} } catch (error) { console.log(error.code) }`;
    const { said } = await container.exec([node, "--eval", script]);
    expect(said).toMatch(/^Uid:\s+10001\s+10001\s+10001\s+10001$/m);
    for (const set of ["CapEff", "CapPrm", "CapBnd"])
      expect(said).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
    expect(said).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(said).toMatch(/^Name:\s+node|^Name:\s+MainThread/m);
    expect(said).toMatch(/^EROFS$/m);
  }

  async function configOf(name: string): Promise<{
    User: string;
    Entrypoint: string[];
    Cmd: string[];
    Env: string[];
    Labels: Record<string, string>;
  }> {
    const { stdout } = await engine.docker(["image", "inspect", image(name)]);
    return JSON.parse(stdout)[0].Config;
  }

  test(".dockerignore lets in what an image is built from, and no secret", async () => {
    const inside = [
      "package.json",
      "pnpm-lock.yaml",
      "gen/src/common/v1/money_pb.js",
      "packages/order/src/main.ts",
      "packages/order/migrations/0000_schema.sql",
      "packages/console/public/openapi.json",
      "packages/console-server/src/main.ts",
    ];
    const outside = [
      ".env",
      ".git/config",
      ".data/secrets.json",
      ".npmrc",
      "infra/.env",
      "packages/stack/src/main.ts",
      "packages/proof/lab/src/main.ts",
      "packages/console/dist/index.html",
      "packages/order/dist/main.js",
      "packages/order/node_modules/x/index.js",
      "packages/order/test/harness.ts",
      "packages/order/src/order.test.ts",
      "packages/order/tsconfig.tsbuildinfo",
    ];
    // Let in by a pattern with a wildcard, which Docker before 23 does not look for in a folder.
    const insideSince23 = "packages/stack/package.json";
    const context = join(scratch.path, "context");
    for (const path of [...inside, insideSince23, ...outside]) {
      await mkdir(dirname(join(context, path)), { recursive: true });
      await writeFile(join(context, path), "");
    }
    await cp(join(ROOT, ".dockerignore"), join(context, ".dockerignore"));
    const tag = "tercet-test:context";
    const dockerfile = `FROM scratch\nLABEL ${LABEL}=context\nCOPY . /context/\n`;
    const built = await engine.docker(["build", "--tag", tag, "--file", "-", "."], {
      cwd: context,
      input: dockerfile,
    });
    expect(built.code, built.said).toBe(0);
    const files = (await filesIn(engine, tag, scratch.path)).map(({ path }) => path);
    const copied = files
      .filter((path) => path.startsWith("context/"))
      .map((path) => path.slice("context/".length));
    expect(copied.filter((path) => path !== insideSince23).sort()).toEqual(inside.sort());
  });

  test.each(names)("%s: what runs it, and nothing else", async (name) => {
    const files = await filesIn(engine, image(name), scratch.path);
    const app = files.filter(({ path }) => path.startsWith("app/"));
    const paths = app.map(({ path }) => path.slice("app/".length));
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
      paths.flatMap((path) => {
        const [, folder] = /^node_modules\/\.pnpm\/([^/]+)\//.exec(path) ?? [];
        return folder === undefined
          ? []
          : [folder.replace(/^(@?[^@]+)@.*/, "$1").replace("+", "/")];
      }),
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
    const mib = Math.round(app.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
    process.stderr.write(`image of ${name}: /app is ${mib} MiB, ${paths.length} files\n`);
    expect(mib).toBeLessThan(MOST_MIB.app);
  });

  test.each(names)(
    "%s: runs as a user id that no host has, with labels that say what it is",
    async (name) => {
      const { User, Labels, Entrypoint, Cmd, Env } = await configOf(name);
      expect(User).toBe("10001:10001");
      expect(Labels).toMatchObject({
        "org.opencontainers.image.title": `tercet-${name}`,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": "unknown",
      });
      expect([...Entrypoint, ...Cmd]).toEqual([
        "node",
        "--enable-source-maps",
        "--import",
        "./dist/telemetry.js",
        "dist/main.js",
      ]);
      expect(Env).toContain("NODE_ENV=production");
    },
  );

  test.each(names)(
    "%s: does not start before its schema is there, and makes it by itself when asked",
    async (name) => {
      const early = await start(name);
      expect(await early.ended()).toBe(1);
      expect(await early.logs()).toContain("the database's schema is behind");
      const migration = await startContainer(engine, {
        image: image(name),
        env: { DATABASE_URL: databases[name].url },
        command: ["dist/migrate.js"],
      });
      expect(await migration.ended()).toBe(0);
      expect(await migration.logs()).toContain("the schema is up to date");
    },
  );

  test("an order is placed through them: each process 1 of its own, without rights, on a root that it cannot write to", async () => {
    for (const name of names) running[name] = await start(name);
    for (const name of names) await untilHealthy(running[name], HEALTHCHECK);
    for (const name of names) await expectConfined(running[name], "node");

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
    // A new volume, which the engine gave the owner of the image's folder.
    const book = join(scratch.path, "book");
    await running.payment.copyOut(BOOK, book);
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
      const program = "node_modules/@tercet/service/dist/grpc-health-probe.js";
      const options = [`-addr=:${ports[name]}`, "-connect-timeout=20s", "-rpc-timeout=20s"];
      expect(await running[name].exec(["node", program, ...options])).toMatchObject({
        code: 0,
        said: expect.stringContaining("status: SERVING"),
      });
    }
  });

  test("SIGTERM ends each in order, although it is process 1", async () => {
    for (const name of names) {
      await running[name].signal("SIGTERM");
      expect(await running[name].ended(), await running[name].logs()).toBe(0);
      expect(await running[name].logs()).toMatch(/"msg":"draining".*"msg":"stopped"/s);
    }
  });

  describe("of the console", () => {
    let files: string[];

    beforeAll(async () => {
      files = (await filesIn(engine, image("console"), scratch.path))
        .map(({ path }) => `/${path}`)
        // An engine adds these to every container.
        .filter((path) => !/^\/(\.dockerenv|dev\/|etc\/)/.test(path));
    });

    test("is Node, its libraries and the program: no shell, no package manager", async () => {
      const outside = files.filter((file) => !file.startsWith("/app/"));
      expect(outside).toContain("/usr/local/bin/node");
      for (const file of outside)
        expect(file).toMatch(/^\/(usr\/local\/bin\/node|LICENSE|(usr\/)?lib(64)?\/.*\.so\.\d+)$/);
      const { stdout } = await engine.docker([
        "image",
        "inspect",
        "--format={{.Size}}",
        image("console"),
      ]);
      const mib = Math.round(Number(stdout) / 2 ** 20);
      process.stderr.write(`image of the console: ${mib} MiB, ${files.length} files\n`);
      expect(mib).toBeLessThan(MOST_MIB.console);
    });

    test("has the console's files, and nothing of what serves development", () => {
      const app = files.filter((file) => file.startsWith("/app/"));
      expect(app).toEqual(
        expect.arrayContaining(["/app/dist/main.js", "/app/dist/healthcheck.js"]),
      );
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

    test("runs as a user id that no host has, with labels that say what it is", async () => {
      const { User, Labels, Entrypoint } = await configOf("console");
      expect(User).toBe("10001:10001");
      expect(Labels).toMatchObject({
        "org.opencontainers.image.title": "tercet-console",
        "org.opencontainers.image.licenses": "Apache-2.0",
      });
      expect(Entrypoint[0]).toBe("/usr/local/bin/node");
    });

    test("serves the console as process 1, without rights, on a root that it cannot write to", async () => {
      const port = await freePort();
      const service = file.services["console"] ?? {};
      const env = { ...environmentOf(service, {}), PORT: String(port) };
      const container = await startContainer(engine, { image: image("console"), env });
      // The command of Compose's health check.
      const [, ...command] = service.healthcheck?.test ?? [];
      await untilHealthy(container, command);

      const page = await fetch(`http://127.0.0.1:${port}/orders`, {
        headers: { accept: "text/html" },
      });
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('<div id="root">');
      expect(Object.fromEntries(page.headers)).toMatchObject(SITE_HEADERS);
      expect((await fetch(`http://127.0.0.1:${port}/lab/money`)).status).toBe(404);
      await expectConfined(container, "/usr/local/bin/node");

      await container.signal("SIGTERM");
      expect(await container.ended(), await container.logs()).toBe(0);
      expect(await container.logs()).toMatch(/"event":"stopped"/);
    });
  });

  /** Last: the engine is started anew, with a network of its own. */
  describe.skipIf(docker === undefined || machines)(
    "infra/compose.yaml, lite, brought up by Compose",
    () => {
      let inside: Isolated;
      const compose = (...args: readonly string[]) =>
        inside.run([docker ?? "", "--profile", "lite", ...args], {
          env: {
            COMPOSE_FILE: [join(ROOT, COMPOSE_FILE), join(scratch.path, "override.yaml")].join(":"),
            COMPOSE_ENV_FILES: join(scratch.path, ".env"),
            TERCET_VERSION: TAG,
          },
        });

      beforeAll(async () => {
        await makeStandIns(engine, file, images.base, scratch.path);
        await writeFile(join(scratch.path, "override.yaml"), overrideOf(file));
        inside = await (engine.isolate ?? expect.unreachable)();
        process.stderr.write(
          "Compose: PostgreSQL's embedded binaries, payments in PostgreSQL, our edge in Kong's place\n",
        );
      }, patient(300_000));

      test("becomes healthy, and an order is confirmed through the gateway's ports", async () => {
        const up = await compose("up", "--detach", "--wait", "--no-build");
        expect(up.code, `${up.said}\n${(await compose("logs")).said}`).toBe(0);
        const env = { OPERATOR_PASSWORD: secrets["OPERATOR_PASSWORD"] };
        for (const script of ["seed", "smoke"]) {
          const { code, said } = await inside.run([join(ROOT, `infra/scripts/${script}.sh`)], {
            env,
          });
          expect(code, said).toBe(0);
        }
      });

      test("the gateway reaches the services, and no database", async () => {
        const reaches = async (from: string, to: string, port: number) => {
          const dial = `require("net").connect(${port}, "${to}").on("connect", () => process.exit(0))
          .on("error", () => process.exit(1)); setTimeout(() => process.exit(1), 5000)`;
          return (await compose("exec", "-T", from, "node", "--eval", dial)).code === 0;
        };
        expect(await reaches("order", "postgres", 5432)).toBe(true);
        expect(await reaches("kong", "order", 5011)).toBe(true);
        expect(await reaches("kong", "postgres", 5432)).toBe(false);
      });

      test("stops in order", async () => {
        expect((await compose("stop")).code).toBe(0);
        const { stdout } = await compose("ps", "--all", "--format", "{{.Service}} {{.ExitCode}}");
        expect(stdout.trim().split("\n").sort()).toEqual(
          ["console", "identity", "kong", "order", "payment", "postgres"].map(
            (name) => `${name} 0`,
          ),
        );
      });
    },
  );
});

/** Returns what is in an image that is not running, without folders. */
async function filesIn(
  engine: Engine,
  image: string,
  scratch: string,
): Promise<{ readonly path: string; readonly bytes: number }[]> {
  const tar = join(scratch, "image.tar");
  // Never started, so any command will do.
  const { stdout } = await engine.docker(["create", image, "none"]);
  await engine.docker(["export", "--output", tar, stdout.trim()]);
  await engine.docker(["rm", stdout.trim()]);
  const listed = await run("tar", ["--list", "--verbose", "--full-time", "--file", tar], {
    maxBuffer: 2 ** 26,
  });
  await rm(tar);
  // -rw-r--r-- 0/0   1234 2026-11-28 15:00:00 app/dist/main.js, and for a link: -> target
  return [
    ...listed.stdout.matchAll(/^[^d]\S+ \S+ +(\d+) \S+ \S+ (.+?)(?: (?:->|link to) .*)?$/gm),
  ].map(([, bytes, path = ""]) => ({ path, bytes: Number(bytes) }));
}

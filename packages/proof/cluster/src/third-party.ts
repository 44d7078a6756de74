import { cp, mkdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, onPath, ROOT } from "@tercet/cli";
import { provideMongod } from "@tercet/cli/repository";
import { build } from "esbuild";
import { parse } from "yaml";
import { PAUSE_IMAGE } from "./control-plane.ts";
import { debian } from "./docker/base-image.ts";
import { type Engine, LABEL } from "./docker/engine.ts";
import { findBase } from "./docker/images.ts";
import { makePostgresImage } from "./docker/postgres-image.ts";
import { DNS_IMAGE } from "./objects.ts";

const KONG = "packages/proof/e2e/test/kong/stand-in.ts";
const MONGODB = "packages/proof/cluster/src/stand-ins/mongodb.ts";
const VALUES = "charts/tercet/values.yaml";
/** What the images here are made of; of the tools the versions. */
export const STAND_IN_FILES: readonly string[] = [
  ...["exchange", "kong", "plugins", "proxy", "upstream-pool", "stand-in"].map(
    (name) => `packages/proof/e2e/test/kong/${name}.ts`,
  ),
  MONGODB,
  "packages/proof/cluster/src/third-party.ts",
  "packages/proof/cluster/src/docker/postgres-image.ts",
  "packages/proof/cluster/src/stand-ins/postgres.sh",
  "infra/otel/builder.yaml",
  "scripts/go-tools.ts",
  VALUES,
];

interface ThirdParty {
  readonly images: readonly string[];
  readonly notices: readonly string[];
}

/**
 * Pulls the images of the databases, Kong and the collector, or makes what replaces each under its
 * name; makes those of CoreDNS and of the sandboxes.
 */
export async function makeThirdParty(engine: Engine, scratch: string): Promise<ThirdParty> {
  const values = parse(await readFile(join(ROOT, VALUES), "utf8"));
  const { postgres, mongodb } = values.databases;
  const base = await findBase(engine, join(scratch, "third-party"));
  const make = (image: string, dockerfile: string, files: Readonly<Record<string, string>>) =>
    fromDockerfile(engine, join(scratch, image.replaceAll(/\W/g, "-")), {
      ...{ image, files },
      dockerfile: `FROM ${base}\n${dockerfile}`,
    });
  await make(PAUSE_IMAGE, 'ENTRYPOINT ["sleep", "infinity"]', {});
  await make(DNS_IMAGE, 'COPY coredns /coredns\nENTRYPOINT ["/coredns"]', {
    coredns: await tool("coredns"),
  });
  const replaceable: readonly [string, string, (image: string) => Promise<void>][] = [
    [
      postgres.image,
      "PostgreSQL is the embedded one",
      (image) => makePostgresImage(engine, image, scratch),
    ],
    [
      mongodb.image,
      "MongoDB is 6.0.5",
      async (image) => {
        const root = join(scratch, "mongodb-libraries");
        await debian(root, join(scratch, "mongodb-packages"), ["libcurl4"]);
        await make(
          image,
          'COPY usr/lib /usr/lib\nCOPY mongod /usr/local/bin/\nCOPY start.mjs /\nENTRYPOINT ["node", "/start.mjs"]',
          {
            ...{ mongod: await provideMongod(), "usr/lib": join(root, "usr/lib") },
            "start.mjs": await bundled(MONGODB, scratch),
          },
        );
      },
    ],
    [
      values.kong.image,
      "Kong is our interpreter of gateway/kong.yml",
      async (image) =>
        make(image, 'COPY kong.mjs /\nENTRYPOINT ["node", "/kong.mjs"]', {
          "kong.mjs": await bundled(KONG, scratch),
        }),
    ],
    [
      values.collector.image,
      "the collector is the one of infra/otel/builder.yaml",
      async (image) =>
        make(image, 'COPY otelcol /\nENTRYPOINT ["/otelcol"]', { otelcol: await tool("otelcol") }),
    ],
  ];
  const notices: string[] = [];
  for (const [image, notice, replace] of replaceable) {
    const pulled = await engine.docker(["pull", "--quiet", image], { timeoutMs: 120_000 });
    if (pulled.code === 0) continue;
    await replace(image);
    notices.push(`${image} cannot be pulled: ${notice}`);
  }
  return { images: [PAUSE_IMAGE, DNS_IMAGE, ...replaceable.map(([image]) => image)], notices };
}

interface Recipe {
  readonly image: string;
  readonly dockerfile: string;
  /** Files and folders of the context, by name: where each is now. */
  readonly files: Readonly<Record<string, string>>;
}

async function fromDockerfile(
  engine: Engine,
  context: string,
  { image, dockerfile, files }: Recipe,
): Promise<void> {
  await mkdir(context, { recursive: true });
  for (const [name, path] of Object.entries(files))
    await cp(await realpath(path), join(context, name), {
      recursive: true,
      verbatimSymlinks: true,
    });
  const { code, said } = await engine.docker(
    ["build", "--label", `${LABEL}=${image}`, "--tag", image, "--file", "-", "."],
    { cwd: context, input: dockerfile },
  );
  if (code !== 0) throw new CommandError(`the image ${image} cannot be built:\n${said}`);
}

async function tool(name: string): Promise<string> {
  const path = await onPath(name);
  if (path === undefined)
    throw new CommandError(`${name} is not installed: npx -y pnpm tools ${name}`);
  return path;
}

/** Makes one file of a program and of all that it imports; returns its path. */
async function bundled(entry: string, scratch: string): Promise<string> {
  const outfile = join(scratch, `${entry.replaceAll(/\W/g, "-")}.mjs`);
  await build({
    ...{ entryPoints: [join(ROOT, entry)], outfile, bundle: true, logLevel: "silent" },
    ...{ platform: "node", format: "esm", conditions: ["source"] },
    // Of the MongoDB driver, which does without them.
    external: [
      "kerberos",
      "mongodb-client-encryption",
      "@mongodb-js/zstd",
      "@aws-sdk/*",
      "snappy",
      "socks",
      "gcp-metadata",
      "aws4",
    ],
    // For what is CommonJS in it.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; globalThis.require = requireOf(import.meta.url);',
    },
  });
  return outfile;
}

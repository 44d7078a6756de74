import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, glob, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";
import { execute, ROOT, serviceNames } from "@tercet/cli/repository";
import { hashClientSecret, envToConfig as identityConfig } from "@tercet/identity";
import { envToConfig as orderConfig } from "@tercet/order";
import { envToConfig as paymentConfig } from "@tercet/payment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { envOf } from "./k8s-env.ts";
import { type K8sObject, parseManifests } from "./k8s-objects.ts";

const openssl = (await execute("openssl", ["version"])).code === 0;
if (!openssl) process.stderr.write("WITHOUT openssl: k8s-setup.sh is not tried\n");

/** Keeps what it is given in files, and has no more than the scripts ask for. */
const KUBECTL = `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from ${JSON.stringify(import.meta.resolve("yaml"))};
const words = process.argv.slice(2);
const done = (said = "") => {
  appendFileSync(process.env.CLUSTER + "/../done", "kubectl " + words.join(" ") + "\\n" + said);
  process.exit(0);
};
if (words.includes("current-context")) {
  process.stdout.write(process.env.CONTEXT ?? "kind-tercet");
  process.exit(0);
}
if (words.includes("--kustomize")) done(readFileSync(words.at(-1) + "/kustomization.yaml", "utf8"));
if (words.includes("rollout")) done();
if (words.includes("port-forward")) {
  process.stdout.write("Forwarding from 127.0.0.1:" + process.env.SHOP + " -> 5010\\n");
  setInterval(() => {}, 1000);
  await new Promise(() => {});
}
const file = (kind, name) => process.env.CLUSTER + "/" + kind.toLowerCase() + "-" + name;
if (words.includes("get")) {
  const path = file("secret", words[words.indexOf("secret") + 1]);
  if (!existsSync(path)) process.exit(1);
  const key = /\\{\\.data\\.(.*)\\}/.exec(words.at(-1))?.[1];
  if (key !== undefined) process.stdout.write(parse(readFileSync(path, "utf8")).data[key]);
} else {
  const text = readFileSync(0, "utf8");
  const { kind, metadata } = parse(text);
  if (words.includes("create") && existsSync(file(kind, metadata.name))) process.exit(1);
  writeFileSync(file(kind, metadata.name), text);
}
`;
/** Says what it was asked. */
const sayer = (name: string) => `
import { appendFileSync } from "node:fs";
appendFileSync(process.env.CLUSTER + "/../done", ${JSON.stringify(`${name} `)} + process.argv.slice(2).join(" ") + "\\n");
`;
const programs = {
  kubectl: KUBECTL,
  helm: sayer("helm"),
  docker: sayer("docker"),
  kind: sayer("kind"),
};

/** Each command that changed the cluster or built something, in order. */
const done = async () => (await readFile(join(folder, "done"), "utf8")).trim().split("\n");

let folder: string;
let cluster: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tercet-k8s-"));
  cluster = join(folder, "cluster");
  await mkdir(cluster);
  for (const [name, program] of Object.entries(programs)) {
    await writeFile(join(folder, `${name}.mjs`), program);
    await writeFile(
      join(folder, name),
      `#!/bin/sh\nexec ${process.execPath} ${join(folder, name)}.mjs "$@"\n`,
    );
    await chmod(join(folder, name), 0o755);
  }
});

afterEach(() => rm(folder, { recursive: true, force: true }));

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function script(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Finished> {
  const path = [folder, process.env["PATH"]].join(delimiter);
  const run = promisify(execFile)(join(ROOT, "infra/scripts", name), args, {
    env: { PATH: path, CLUSTER: cluster, ...env },
  });
  return run.then(
    (said) => ({ code: 0, ...said }),
    (error) => error as Finished,
  );
}

const secretsOnly = (environment: "dev" | "prod", env: Record<string, string> = {}) =>
  script("k8s-setup.sh", [environment, "--secrets-only"], env);

const inCluster = async (): Promise<K8sObject[]> => {
  const texts = (await readdir(cluster))
    .sort()
    .map((name) => readFile(join(cluster, name), "utf8"));
  return (await Promise.all(texts)).flatMap(parseManifests);
};

const DATABASES = {
  ...Object.fromEntries(
    serviceNames.map((name) => [
      `${name.toUpperCase()}_DATABASE_URL`,
      `postgres://${name}:pass@db:5432/${name}`,
    ]),
  ),
  IDENTITY_DATABASE_URL: "postgres://identity:p%40ss@db:5432/identity",
  ORDER_DATABASE_URL: "postgres://order:pass@db:5432/order",
  PAYMENT_DATABASE_URL: "mongodb://payment:pass@db:27017/payment?replicaSet=rs0&w=majority",
};

async function base(): Promise<K8sObject[]> {
  const texts: string[] = [];
  for await (const path of glob("infra/k8s/base/*-*.yaml", { cwd: ROOT }))
    texts.push(await readFile(join(ROOT, path), "utf8"));
  return texts.flatMap(parseManifests);
}

/** The services' own opinion of base with the Secrets in the cluster. */
async function configs() {
  const objects = [...(await base()), ...(await inCluster())];
  const [identity, order, payment] = ["identity", "order", "payment"].map((name) =>
    envOf(objects, name),
  );
  return {
    identity: identityConfig(identity ?? {}),
    order: orderConfig(order ?? {}),
    payment: paymentConfig(payment ?? {}),
  };
}

test.skipIf(!openssl)(
  "k8s-setup prod: the services can work with the Secrets it makes, in a namespace that is restricted",
  async () => {
    expect(await secretsOnly("prod", DATABASES)).toMatchObject({
      code: 0,
      stderr: "",
    });
    const { identity, order, payment } = await configs();
    expect(identity.store).toEqual({ kind: "postgres", url: DATABASES.IDENTITY_DATABASE_URL });
    expect(order.databaseUrl).toBe(DATABASES.ORDER_DATABASE_URL);
    expect(payment.database.url).toBe(DATABASES.PAYMENT_DATABASE_URL);
    expect(identity.clients).toEqual([
      { id: "order", secretHash: hashClientSecret(order.clientSecret), audiences: ["payment"] },
    ]);
    expect(identity.seedUsers).toEqual([]);
    const [namespace] = (await inCluster()).filter(({ kind }) => kind === "Namespace");
    expect(namespace?.metadata.labels).toMatchObject({
      "pod-security.kubernetes.io/enforce": "restricted",
    });
  },
);

test.skipIf(!openssl)(
  "k8s-setup dev: databases and users too, and all fit each other",
  async () => {
    expect(await secretsOnly("dev")).toMatchObject({ code: 0, stderr: "" });
    const { identity, order, payment } = await configs();
    const secrets = new Map(
      (await inCluster()).map(({ metadata, data = {} }) => [metadata.name, data]),
    );
    const kept = (secret: string, key: string) =>
      Buffer.from(secrets.get(secret)?.[key] ?? "", "base64").toString();
    expect(new URL(order.databaseUrl).password).toBe(kept("order-postgres", "POSTGRES_PASSWORD"));
    expect(new URL(payment.database.url).password).toBe(
      kept("payment-mongodb", "MONGO_INITDB_ROOT_PASSWORD"),
    );
    expect(identity.seedUsers.map(({ email, password }) => [email, password])).toEqual(
      ["alice", "olivia", "admin"].map((name) => [
        `${name}@example.com`,
        kept("tercet-users", name),
      ]),
    );
  },
);

test.skipIf(!openssl)("k8s-setup: what is there stays, and what is missing fits it", async () => {
  await secretsOnly("dev");
  const before = await inCluster();
  const { code, stdout } = await secretsOnly("dev");
  expect(code).toBe(0);
  expect(stdout).toContain("secret identity is there: left as it is");
  expect(await inCluster()).toEqual(before);
  await rm(join(cluster, "secret-identity"));
  await rm(join(cluster, "secret-order-postgres"));
  await secretsOnly("dev");
  const { identity, order } = await configs();
  expect(identity.clients[0]?.secretHash).toBe(hashClientSecret(order.clientSecret));
});

test.skipIf(!openssl)(
  "k8s-setup: a client secret that cannot be known again is not made up",
  async () => {
    await secretsOnly("prod", DATABASES);
    await rm(join(cluster, "secret-order"));
    const { code, stderr } = await secretsOnly("prod", DATABASES);
    expect(stderr).toContain("secret order is gone");
    expect(code).toBe(2);
  },
);

test.skipIf(!openssl)(
  "k8s-setup: a database that is not named is asked for before anything is made",
  async () => {
    const { PAYMENT_DATABASE_URL: _, ...rest } = DATABASES;
    const { code, stderr } = await script("k8s-setup.sh", ["prod"], rest);
    expect(stderr).toContain("PAYMENT_DATABASE_URL is not set");
    expect(code).toBe(2);
    expect(await readdir(cluster)).toEqual([]);
  },
);

test.skipIf(!openssl)("k8s-setup --dry-run asks no cluster and shows no secret", async () => {
  const { code, stdout } = await script("k8s-setup.sh", ["prod", "--dry-run"], DATABASES);
  expect(code).toBe(0);
  expect(stdout).toContain(
    "would make secret identity: DATABASE_URL TOKEN_SIGNING_KEYS SERVICE_CLIENTS",
  );
  expect(stdout).not.toMatch(/pass|"d"/);
  expect(await readdir(cluster)).toEqual([]);
});

test("helm-deploy: packs, installs or upgrades, goes back when it fails, and tries it", async () => {
  const { code } = await script("helm-deploy.sh", [
    "prod",
    "--namespace",
    "shop",
    "--tag",
    "1.2.3",
    "--",
    "--set",
    "kong.replicas=4",
  ]);
  expect(code).toBe(0);
  const [build, upgrade, tried, ...more] = await done();
  expect(build).toMatch(/^helm dependency build /);
  expect(upgrade).toMatch(
    /^helm upgrade tercet charts\/tercet --install --atomic --wait .*--namespace shop --values charts\/tercet\/values-prod.yaml /,
  );
  expect(upgrade).toMatch(/ --set-string global.images.tag=1.2.3 .*--set kong.replicas=4$/);
  expect(tried).toMatch(/^helm test tercet --namespace shop /);
  expect(more).toEqual([]);
});

test("helm-deploy --dry-run only renders", async () => {
  const { code } = await script("helm-deploy.sh", ["dev", "--dry-run"]);
  expect(code).toBe(0);
  const asked = await done();
  expect(asked.map((words) => words.split(" ")[1])).toEqual(["dependency", "template"]);
});

test("helm-deploy takes the images of the commit, by the tag that the workflow publishes", async () => {
  await script("helm-deploy.sh", ["dev", "--dry-run"]);
  const commit = (await execute("git", ["rev-parse", "HEAD"])).stdout.trim();
  expect(commit).toMatch(/^[0-9a-f]{40}$/);
  expect((await done()).at(-1)).toContain(`--set-string global.images.tag=${commit}`);
  const workflow = await readFile(join(ROOT, ".github/workflows/images.yml"), "utf8");
  expect(workflow).toContain("type=sha,format=long,prefix=");
});

/** Accepts a login, and keeps the products that it is given. */
async function startShop(): Promise<AsyncDisposable & { port: number; products: string[] }> {
  const products: string[] = [];
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as { password?: string; product?: { sku: string } };
    if (body.product !== undefined) products.push(body.product.sku);
    response.end(JSON.stringify({ accessToken: body.password ?? "" }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    products,
    [Symbol.asyncDispose]: () => new Promise((closed) => server.close(() => closed())),
  };
}

test.skipIf(!openssl)(
  "k8s-setup dev: builds, hands the images over, applies the overlay with them, waits, and seeds",
  async () => {
    await using shop = await startShop();
    const { code, stderr, stdout } = await script(
      "k8s-setup.sh",
      ["dev", "--namespace", "shop", "--tag", "mine"],
      { SHOP: String(shop.port) },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const steps = await done();
    for (const name of ["identity", "order", "payment", "console"]) {
      const file =
        name === "console"
          ? "infra/docker/console.Dockerfile"
          : `infra/docker/Dockerfile --build-arg SERVICE=${name}`;
      expect(steps).toContain(`docker build --file ${file} --tag tercet/${name}:mine .`);
      expect(steps).toContain(`kind load docker-image --name tercet tercet/${name}:mine`);
      expect(steps).toContain(
        `  - { name: ghcr.io/tercet/tercet/${name}, newName: tercet/${name}, newTag: mine }`,
      );
      expect(steps).toContain(
        `kubectl --namespace shop rollout status deployment/${name} --timeout 10m`,
      );
    }
    expect(steps).toContain("namespace: shop");
    // What the overlay replaces is in it.
    expect(JSON.stringify(await base())).toContain('"ghcr.io/tercet/tercet/order:');
    const lines = await readFile(join(ROOT, "infra/catalog.jsonl"), "utf8");
    const seed = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).product.sku);
    expect(shop.products).toEqual(seed);
    expect(stdout).toContain("in the catalog: MUG-BLUE");
    expect(await readdir(join(ROOT, "infra/k8s"))).toEqual([
      "base",
      "databases",
      "overlays",
      "values.yaml",
    ]);
  },
);

test.skipIf(!openssl)("k8s-setup dev: a cluster that cannot get the images is named", async () => {
  const { code, stderr } = await script("k8s-setup.sh", ["dev"], { CONTEXT: "far-away" });
  expect(code).toBe(2);
  expect(stderr).toContain("the cluster of context far-away does not have the images");
});

test.skipIf(!openssl)("k8s-setup prod: makes the Secrets, then deploys by helm", async () => {
  const { code } = await script("k8s-setup.sh", ["prod", "--tag", "1.2.3"], DATABASES);
  expect(code).toBe(0);
  expect(await readdir(cluster)).toContain("secret-identity");
  const [, upgrade] = await done();
  expect(upgrade).toMatch(/^helm upgrade tercet .*global.images.tag=1.2.3$/);
});

test.skipIf(!openssl).for(["k8s-setup.sh", "helm-deploy.sh"])(
  "%s has --help, and refuses what it does not know",
  async (name) => {
    expect(await script(name, ["--help"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Usage: infra/scripts/${name} dev|prod`),
    });
    expect(await script(name, [])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("say dev or prod"),
    });
    expect(await script(name, ["dev", "--dryrun"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no --dryrun"),
    });
    expect(await readdir(cluster)).toEqual([]);
  },
);

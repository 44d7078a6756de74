import { execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { ROOT, type TemporaryFolder, temporaryFolder } from "@tercet/cli";
import { provideMongod, provideMongosh } from "@tercet/cli/repository";
import {
  type Box,
  type ClusterFolder,
  clusterFolder,
  endBox,
  runInBox,
  startBox,
  startInBox,
} from "@tercet/cluster";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { environmentOf, parseEnvFile, readCompose } from "./docker/compose.ts";
import { patient } from "./patience.ts";
import { onPath } from "./tool.ts";

/**
 * infra/mongodb as infra/compose.yaml uses it, on a real server and with MongoDB's shell. What is
 * imitated is the entry point of its image.
 */
const service = (await readCompose()).services["mongodb"] ?? {};
const ENTRY_POINT = new URL("./docker/mongodb-entrypoint.sh", import.meta.url);
/** Where the folder of the test is, in the namespaces in which everything runs. */
const HERE = "/mnt";

const programs = await whatItNeeds();
if (typeof programs === "string")
  process.stderr.write(`WITHOUT MONGODB'S SHELL: infra/mongodb is not run: ${programs}\n`);

/** The folders of the programs, for PATH; or why they are not there. */
async function whatItNeeds(): Promise<string[] | string> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it takes Linux and root";
  for (const name of ["unshare", "nsenter", "ip"])
    if ((await onPath(name)) === undefined) return `${name} is not installed`;
  try {
    return [await provideMongod(), await provideMongosh()].map((path) => dirname(path));
  } catch (error) {
    return String(error).split("\n")[0] ?? "";
  }
}

describe.skipIf(typeof programs === "string")("infra/mongodb, on MongoDB itself", () => {
  let scratch: TemporaryFolder;
  let folder: ClusterFolder;
  let box: Box;
  let secrets: Record<string, string>;
  let env: Record<string, string>;
  const limits = { timeoutMs: 60_000, signal: AbortSignal.timeout(patient(600_000)) };

  const inEnv = (...command: readonly string[]) => [
    "env",
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...command,
  ];
  const run = (...command: readonly string[]) => runInBox(box, inEnv(...command), limits);
  /** The address that Compose gives Payment, with these changes. */
  function addressOf(user: string | undefined, password: string, database: string): string {
    const url = new URL("mongodb://mongodb:27017/?replicaSet=rs0&serverSelectionTimeoutMS=5000");
    if (user !== undefined) {
      url.username = user;
      url.password = password;
      url.searchParams.set("authSource", user === "payment" ? "payments" : "admin");
    }
    url.pathname = `/${database}`;
    return url.href;
  }
  /** Runs a script in the shell, and returns what it printed. */
  const shell = (address: string, script: string) =>
    run("mongosh", "--quiet", "--norc", address, "--eval", script);
  const asRoot = (script: string) =>
    shell(addressOf("root", secrets["MONGODB_ROOT_PASSWORD"] ?? "", "admin"), script);
  const asPayment = (database: string, script: string) =>
    shell(addressOf("payment", secrets["PAYMENT_MONGODB_PASSWORD"] ?? "", database), script);

  async function start(): Promise<void> {
    const { check, logFile } = startInBox(box, folder, [
      "env",
      ...inEnv("bash", `${HERE}/mongodb/start.sh`).slice(1),
    ]);
    const healthy = async () => {
      await check();
      return await isHealthy();
    };
    await vi
      .waitUntil(healthy, { timeout: patient(60_000), interval: 500 })
      .catch(async (error) => {
        expect.unreachable(`${error}\n${await readFile(logFile, "utf8")}`);
      });
  }
  /** The health check of Compose. */
  async function isHealthy(): Promise<boolean> {
    const [, ...check] = service.healthcheck?.test ?? [];
    const [script = ""] = check.splice(-1);
    expect(script).toBe("/etc/tercet/replica-set.js");
    return await run(...check, `${HERE}/mongodb/replica-set.js`).then(
      () => true,
      () => false,
    );
  }

  beforeAll(async () => {
    scratch = await temporaryFolder("mongodb-scripts");
    const at = (name: string) => join(scratch.path, name);
    for (const name of ["tmp", "bin", "first"]) await mkdir(at(name));
    await cp(join(ROOT, "infra/mongodb"), at("mongodb"), { recursive: true });
    await cp(at("mongodb/payment-user.js"), at("first/payment-user.js"));
    await cp(ENTRY_POINT, at("bin/docker-entrypoint.sh"));
    await writeFile(at("hosts"), "127.0.0.1 localhost mongodb\n");
    const envFile = at(".env");
    await promisify(execFile)(join(ROOT, "infra/scripts/compose-env.sh"), [envFile]);
    secrets = parseEnvFile(await readFile(envFile, "utf8"));
    env = {
      ...environmentOf(service, secrets),
      ...{ DATA: `${HERE}/data`, FIRST: `${HERE}/first` },
      PATH: [`${HERE}/bin`, ...(programs as string[]), process.env["PATH"]].join(delimiter),
    };
    folder = clusterFolder(at("box"));
    await mkdir(folder.path);
    box = await startBox(folder, limits.signal);
    const mounts = [
      `mount --bind ${scratch.path} ${HERE}`,
      `mount --bind ${HERE}/hosts /etc/hosts`,
      // A new one, as in a container.
      "mount -t tmpfs tmpfs /tmp",
    ];
    await runInBox(box, ["sh", "-c", mounts.join(" && ")], limits);
    await start();
  });
  afterAll(async () => {
    if (folder !== undefined) await endBox(folder);
    await scratch?.[Symbol.asyncDispose]();
  });

  test("the key file is its owner's alone, and in no environment", async () => {
    expect(await run("stat", "--format=%a", "/tmp/keyfile")).toBe("400");
    expect(await run("cat", "/tmp/keyfile")).toBe(secrets["MONGODB_KEYFILE"]);
    const server = await run("sh", "-c", 'tr "\\0" "\\n" </proc/$(pidof mongod)/environ');
    expect(server).toContain("MONGO_INITDB_ROOT_USERNAME");
    expect(server).not.toContain("MONGODB_KEYFILE");
  });

  test("the health check makes a replica set, of which it is the primary", async () => {
    const script = "[rs.status().members.map((one) => one.stateStr), rs.conf().members[0].host]";
    expect(JSON.parse(await asRoot(`JSON.stringify(${script})`))).toEqual([
      ["PRIMARY"],
      "mongodb:27017",
    ]);
  });

  test("Payment reads and writes its own database, and no other", async () => {
    const attempts = [
      'payments.insertOne({ _id: "one" }).acknowledged',
      "payments.findOne()._id",
      "getUsers().users.length",
    ];
    const script = ["payments", "orders", "admin"].flatMap((name) =>
      attempts.map((attempt) => {
        const called = `db.getSiblingDB("${name}").${attempt}`;
        return `try { results.push(${called}) } catch (error) { results.push(error.codeName) }`;
      }),
    );
    const said = await asPayment(
      "payments",
      `results = []; ${script.join("; ")}; JSON.stringify(results)`,
    );
    const refused = Array.from({ length: 7 }, () => "Unauthorized");
    expect(JSON.parse(said)).toEqual([true, "one", ...refused]);
  });

  test("without a password, or with a wrong one, nothing is read", async () => {
    const read = "db.payments.findOne()";
    await expect(shell(addressOf(undefined, "", "payments"), read)).rejects.toThrow(
      "requires authentication",
    );
    await expect(shell(addressOf("payment", "wrong", "payments"), read)).rejects.toThrow(
      "Authentication failed",
    );
  });

  test("it starts again on its data, and makes nothing twice", async () => {
    await run("sh", "-c", "kill $(pidof mongod); while pidof mongod; do sleep 0.1; done");
    expect(await isHealthy()).toBe(false);
    // As a container that is started again has it.
    await run("rm", "--force", "/tmp/keyfile");
    await start();
    expect(await asPayment("payments", "db.payments.findOne()._id")).toBe("one");
    expect(await asRoot("rs.conf().version")).toBe("1");
  });
});

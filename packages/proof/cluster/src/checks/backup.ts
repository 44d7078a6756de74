import { basename } from "node:path";
import { auditMoney } from "@tercet/audit";
import { CommandError, type ServiceName, serviceNames } from "@tercet/cli";
import { connectPostgres, latestBackup } from "@tercet/service";
import { MongoClient } from "mongodb";
import type { Check } from "../check.ts";
import type { Cluster } from "../cluster.ts";

/** A new database on the server of the one that was backed up. */
const RESTORED = "restored";
const OPEN_FOR = { openForMs: 60_000 };

/**
 * Order's and Payment's databases, as restored, must agree with each other and with the provider's
 * book: an order or a payment that a restore lost would be found by its charge.
 */
export const backup: Check = {
  name: "backups by the CronJobs, restored into new databases and audited",
  run: async (cluster) => {
    const options = { ...OPEN_FOR, signal: cluster.signal };
    const bookDir = await folderOf(cluster, "payment");
    const audit = async (database?: string) => {
      const order = await addressOf(cluster, "order", { database });
      const payment = await addressOf(cluster, "payment", { database });
      const { orders, broken, overdue } = await auditMoney(
        { databaseUrls: { order, payment }, bookDir },
        options,
      );
      if (broken.length + overdue.length > 0)
        throw new CommandError([database ?? "live", ...broken, ...overdue].join("; "));
      return JSON.stringify(orders);
    };
    const live = await audit();
    for (const name of serviceNames) await backUp(cluster, name);
    try {
      for (const name of serviceNames) await restore(cluster, name);
      const restored = await audit(RESTORED);
      if (restored !== live) throw new CommandError(`restored were ${restored}, and not ${live}`);
      return `${serviceNames.join(", ")}: restored ${restored}, as live; every invariant holds`;
    } finally {
      for (const name of serviceNames) await drop(cluster, name);
    }
  },
};

const backupOf = (name: ServiceName): string => `${name}-backup`;

async function backUp(cluster: Cluster, name: ServiceName): Promise<void> {
  const job = `${name}-backup-by-hand`;
  await cluster.kubectl(["delete", "job", job, "--ignore-not-found"]);
  await cluster.kubectl(["create", "job", job, `--from=cronjob/${backupOf(name)}`]);
  await untilComplete(cluster, job);
}

interface CronJob {
  readonly spec: { readonly jobTemplate: { readonly spec: JobSpec } };
}

interface JobSpec {
  readonly template: PodTemplate;
}

interface PodTemplate {
  readonly metadata: object;
  readonly spec: { readonly containers: readonly object[] };
}

/**
 * By `dist/restore.js` of the service's image, as the runbook says: in the pod of the CronJob, and
 * as often repeated, since a pod can be refused until the NetworkPolicies know it.
 */
async function restore(cluster: Cluster, name: ServiceName): Promise<void> {
  const file = await latestBackup(await folderOf(cluster, backupOf(name)), name);
  if (file === undefined) throw new CommandError(`the job of ${name} has written no file`);
  await drop(cluster, name);
  await onPostgres(cluster, name, `create database ${RESTORED}`);
  const { spec } = await cluster.get<CronJob>("cronjob", backupOf(name));
  const job = spec.jobTemplate.spec;
  const { metadata, spec: pod } = job.template;
  const value = await addressOf(cluster, name, { database: RESTORED, inside: true });
  const env = [
    { name: "DATABASE_URL", value },
    { name: "BACKUP_FILE", value: `/backups/${basename(file)}` },
  ];
  const containers = pod.containers.map((one) => ({ ...one, args: ["dist/restore.js"], env }));
  const restoreJob = `${name}-restore`;
  await cluster.kubectl(["delete", "job", restoreJob, "--ignore-not-found"]);
  const object = {
    ...{ apiVersion: "batch/v1", kind: "Job", metadata: { name: restoreJob } },
    spec: { ...job, template: { metadata, spec: { ...pod, containers } } },
  };
  await cluster.kubectl(["create", "--filename=-"], { input: JSON.stringify(object) });
  await untilComplete(cluster, restoreJob);
}

async function untilComplete(cluster: Cluster, job: string): Promise<void> {
  const wait = ["wait", `job/${job}`, "--for=condition=Complete", "--timeout=55s"];
  const { code, said } = await cluster.kubectl(wait, { allowFailure: true });
  if (code === 0) return;
  const logs = await cluster.kubectl(["logs", `job/${job}`], { allowFailure: true });
  throw new CommandError(`${said}\n${logs.said}`);
}

/** In PostgreSQL only: MongoDB makes a database when something is written to it. */
async function onPostgres(cluster: Cluster, name: ServiceName, statement: string): Promise<void> {
  const address = await addressOf(cluster, name);
  if (isMongodb(address)) return;
  const sql = connectPostgres(address, { max: 1, applicationName: "cluster" });
  await sql.unsafe(statement).finally(() => sql.end({ timeout: 1 }));
}

async function drop(cluster: Cluster, name: ServiceName): Promise<void> {
  await onPostgres(cluster, name, `drop database if exists ${RESTORED} with (force)`);
  const address = await addressOf(cluster, name, { database: RESTORED });
  if (!isMongodb(address)) return;
  await using client = await MongoClient.connect(address);
  await client.db().dropDatabase();
}

const isMongodb = (address: string): boolean => address.startsWith("mongodb:");

interface AddressOptions {
  /** The service's own by default. */
  readonly database?: string | undefined;
  /** As a pod calls it. By default as the network of the node does, where no names are known. */
  readonly inside?: boolean;
}

/** The address of a service's database, with its password. */
async function addressOf(
  cluster: Cluster,
  name: ServiceName,
  { database, inside = false }: AddressOptions = {},
): Promise<string> {
  const { data } = await cluster.get<{ data: { DATABASE_URL: string } }>("secret", name);
  const url = new URL(Buffer.from(data.DATABASE_URL, "base64").toString());
  if (database !== undefined) url.pathname = `/${database}`;
  if (inside) return url.href;
  const { status } = await cluster.get<{ status: { podIP: string } }>("pod", `${url.hostname}-0`);
  url.hostname = status.podIP;
  return url.href;
}

/** The folder of this machine that is the volume of a claim. */
async function folderOf(cluster: Cluster, claim: string): Promise<string> {
  const { spec } = await cluster.get<{ spec: { volumeName: string } }>(
    "persistentvolumeclaim",
    claim,
  );
  const volume = await cluster.get<{ spec: { local: { path: string } } }>(
    "persistentvolume",
    spec.volumeName,
  );
  return volume.spec.local.path;
}

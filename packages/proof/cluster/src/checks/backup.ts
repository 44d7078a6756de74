import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { CommandError } from "@tercet/cli";
import type { Check } from "../check.ts";
import type { Cluster } from "../cluster.ts";

const JOB = "backup-by-hand";

export const backup: Check = {
  name: "the backup CronJob, run once, and its file",
  run: async (cluster) => {
    await cluster.kubectl(["delete", "job", JOB, "--ignore-not-found"]);
    await cluster.kubectl(["create", "job", JOB, "--from=cronjob/order-backup"]);
    await cluster.kubectl(["wait", `job/${JOB}`, "--for=condition=Complete", "--timeout=55s"]);
    const folder = await folderOf(cluster, "order-backup");
    const [name] = (await readdir(folder)).filter((file) => file.endsWith(".gz"));
    if (name === undefined) throw new CommandError("the job has written no file");
    const text = gunzipSync(await readFile(`${folder}/${name}`)).toString();
    const lines = text.trimEnd().split("\n");
    const last = JSON.parse(lines.pop() ?? "{}");
    const hash = createHash("sha256")
      .update(`${lines.join("\n")}\n`)
      .digest("hex");
    if (!JSON.stringify(last).includes(hash))
      throw new CommandError(`${name} is not whole: ${JSON.stringify(last)}`);
    const count = await rows(cluster);
    return `${name}: ${lines.length} lines, whole; the database has ${count} orders`;
  },
};

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

async function rows(cluster: Cluster): Promise<number> {
  const { stdout } = await cluster.kubectl([
    ...["exec", "order-postgres-0", "--", "sh", "-c"],
    `PGPASSWORD="$POSTGRES_PASSWORD" psql --host=127.0.0.1 --username="$POSTGRES_USER" "$POSTGRES_DB" --tuples-only --command="select count(*) from orders"`,
  ]);
  return Number(stdout);
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { onPath, temporaryFolder } from "@tercet/cli";
import { execa } from "execa";
import { expect, test } from "vitest";
import { endBox, findBox, groupOf, runInBox, startBox, startInBox } from "./box.ts";
import { type ClusterFolder, clusterFolder } from "./folder.ts";

const needed = ["unshare", "nsenter", "ip"];
const missing: string[] = [];
for (const name of needed) if ((await onPath(name)) === undefined) missing.push(name);
const isRoot = process.platform === "linux" && process.getuid?.() === 0;
if (!isRoot || missing.length > 0)
  process.stderr.write("WITHOUT root, unshare, nsenter and ip: no namespaces of a cluster\n");

const SYSCTLS = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"];
const sysctls = () => Promise.all(SYSCTLS.map((name) => readFile(`/proc/sys/${name}`, "utf8")));
const groupsOf = async (folder: ClusterFolder) =>
  (await execa("find", ["/sys/fs/cgroup", "-name", `${groupOf(folder)}*`], { reject: false }))
    .stdout;
const mounts = () => readFile("/proc/self/mounts", "utf8");

test.skipIf(!isRoot || missing.length > 0)(
  "what a cluster starts ends with it, and this machine is as before",
  async () => {
    const signal = AbortSignal.timeout(30_000);
    await using scratch = await temporaryFolder("box");
    const folder = clusterFolder(join(scratch.path, "cluster"));
    const before = { mounts: await mounts(), sysctls: await sysctls() };

    const box = await startBox(folder, signal);
    try {
      expect(await findBox(folder)).toEqual(box);
      expect(await findBox(clusterFolder(scratch.path))).toBeUndefined();
      const options = { signal, timeoutMs: 10_000 };
      const said = await runInBox(
        box,
        ["cat", ...SYSCTLS.map((name) => `/proc/sys/${name}`)],
        options,
      );
      expect(said.split("\n")).toEqual(["1", "10", "1"]);
      const daemon = startInBox(box, folder, ["sleep", "600"]);
      await daemon.check();
      expect(await runInBox(box, ["ps", "ax"], options)).toContain("sleep 600");
      expect(await groupsOf(folder)).not.toBe("");
    } finally {
      await endBox(folder);
    }
    expect(await findBox(folder)).toBeUndefined();
    expect(await groupsOf(folder)).toBe("");
    expect({ mounts: await mounts(), sysctls: await sysctls() }).toEqual(before);
    // A second time there is nothing to end.
    await endBox(folder);
  },
);

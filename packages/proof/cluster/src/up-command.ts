import { mkdir, rm } from "node:fs/promises";
import { type Command, CommandError, terminalListener } from "@tercet/cli";
import { endBox, findBox, startBox } from "./box.ts";
import { loadImages, startKubernetes } from "./control-plane.ts";
import { clusterFolder, defaultFolder } from "./folder.ts";
import { provideImages } from "./images.ts";
import { kubectl } from "./kubectl.ts";
import { clusterObjects, volumeFolders } from "./objects.ts";
import { requirePrograms } from "./programs.ts";
import { deploy, NAMESPACE } from "./release.ts";

export const upCommand: Command = {
  help: `Usage: pnpm cluster up [--folder PATH] [--empty]

Starts Kubernetes with one node on this machine, in namespaces of its own (mounts, processes, network), so
that nothing of this machine is changed and no port is taken. Builds the images if they are not
there for this content, and installs charts/tercet with values-dev by infra/scripts/helm-deploy.sh.

It needs Linux, root, and programs which it names if they are missing. Images that cannot be pulled
are replaced, and the output says by what.

Options:
  --folder PATH   where it keeps everything; default: ${defaultFolder()}
  --empty         installs nothing`,
  options: {
    folder: { type: "string", default: defaultFolder() },
    empty: { type: "boolean", default: false },
  },
  run: async ({ values, terminal, signal }) => {
    const listener = terminalListener(terminal);
    const folder = clusterFolder(String(values["folder"]));
    await requirePrograms();
    if ((await findBox(folder)) !== undefined)
      throw new CommandError(`a cluster runs in ${folder.path}: "pnpm cluster down" ends it`);
    const images = await listener.progress("images", () => provideImages(listener));
    for (const notice of images.notices) listener.notice(notice);
    // What a cluster that was not ended in order has left.
    await endBox(folder);
    await rm(folder.path, { recursive: true, force: true });
    await mkdir(folder.path, { recursive: true });
    try {
      const box = await listener.progress("namespaces", () => startBox(folder, signal));
      await startKubernetes(box, folder, { listener, signal });
      await listener.progress("load images", async () => {
        for (const file of images.files) await loadImages(box, file, signal);
      });
      await listener.progress("DNS", async () => {
        for (const path of volumeFolders(folder)) await mkdir(path, { recursive: true });
        const input = JSON.stringify({
          ...{ apiVersion: "v1", kind: "List" },
          items: clusterObjects(folder),
        });
        await kubectl(box, folder, ["apply", "--filename=-"], { signal, input });
        const wait = ["rollout", "status", "deployment/coredns", "--timeout=60s"];
        await kubectl(box, folder, ["--namespace=kube-system", ...wait], {
          ...{ signal, timeoutMs: 70_000 },
        });
      });
      if (values["empty"] !== true)
        await listener.progress("helm install", () => deploy(box, folder, { signal }));
    } catch (error) {
      await endBox(folder);
      terminal.line(`What it wrote is in ${folder.at("log")}.`);
      throw error;
    }
    terminal.line(`
The cluster runs; its namespace is ${NAMESPACE}.
  pnpm cluster run kubectl get pods --all-namespaces
  pnpm cluster test
  pnpm cluster down`);
    return 0;
  },
};

import { existsSync } from "node:fs";
import { CommandError, onPath } from "@tercet/cli";
import { CNI_FOLDERS } from "./control-plane.ts";

/** Programs that `pnpm tools` builds. */
const TOOLS = [
  ...["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"],
  ...["kubectl", "kube-router", "coredns", "otelcol", "helm", "kustomize"],
];

/** Programs of Debian and Ubuntu, each with its package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  etcd: "etcd-server",
  containerd: "docker.io",
  runc: "docker.io",
  iptables: "iptables",
  ipset: "ipset",
  ip: "iproute2",
  nsenter: "util-linux",
  curl: "curl",
  openssl: "openssl",
};

/** Throws CommandError with everything that this machine lacks. */
export async function requirePrograms(): Promise<void> {
  if (process.platform !== "linux")
    throw new CommandError("a cluster takes Linux: its node is this machine");
  if (process.getuid?.() !== 0)
    throw new CommandError("a cluster takes root, for namespaces, mounts and control groups");
  if (!existsSync("/sys/fs/cgroup/memory") && !existsSync("/sys/fs/cgroup/cgroup.controllers"))
    throw new CommandError("no control groups are mounted at /sys/fs/cgroup: kubelet needs them");
  const problems: string[] = [];
  const tools = await missing(TOOLS);
  if (tools.length > 0) problems.push(`${tools.join(", ")} (npx -y pnpm tools ${tools.join(" ")})`);
  const programs = await missing(Object.keys(PROGRAMS));
  const packages = new Set(programs.map((name) => PROGRAMS[name]));
  if (!CNI_FOLDERS.some((path) => existsSync(`${path}/ptp`))) {
    programs.push("network plugins");
    packages.add("containernetworking-plugins");
  }
  if (programs.length > 0)
    problems.push(`${programs.join(", ")} (Debian: apt-get install ${[...packages].join(" ")})`);
  if (problems.length > 0) throw new CommandError(`not installed: ${problems.join("; ")}`);
}

async function missing(names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map(onPath));
  return names.filter((_, index) => found[index] === undefined);
}

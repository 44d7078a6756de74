import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import type { ProgressListener } from "@tercet/cli";
import { type Box, type Daemon, groupOf, NODE_IP, runInBox, startInBox } from "./box.ts";
import type { ClusterFolder } from "./folder.ts";
import { kubectl } from "./kubectl.ts";
import { waitFor } from "./wait.ts";

export const NODE = "node-1";
export const DNS_IP = "10.96.0.10";
/** Made by us; kubelet's sandboxes wait in it. */
export const PAUSE_IMAGE = "cluster.tercet/pause:1";

const SERVICES = "10.96.0.0/16";
const PODS = "10.244.0.0/16";
/** What the only node gets of it. */
const PODS_OF_NODE = "10.244.0.0/24";
const API = `https://${NODE_IP}:6443`;
const ETCD = "http://127.0.0.1:2379";
const CONTAINERD = "/run/containerd/containerd.sock";
const START_LIMIT_MS = 90_000;

/** Where Debian has the network plugins. */
export const CNI_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];

/** Starts Kubernetes, from etcd to kube-router, until the node is ready. */
export async function startKubernetes(
  box: Box,
  folder: ClusterFolder,
  { listener, signal }: { readonly listener: ProgressListener; readonly signal: AbortSignal },
): Promise<void> {
  await writeFiles(folder);
  const daemons: Daemon[] = [];
  const start = (...command: [string, ...string[]]) => {
    daemons.push(startInBox(box, folder, command));
  };
  const check = async () => {
    for (const daemon of daemons) await daemon.check();
  };
  const until = (what: string, ask: () => Promise<boolean>) =>
    waitFor(what, ask, {
      timeoutMs: START_LIMIT_MS,
      signal,
      check,
      explain: () => logsOf(daemons),
    });
  const ready = async (...args: string[]) =>
    (await kubectl(box, folder, args, { signal, allowFailure: true })).code === 0;

  await listener.progress("API server", async () => {
    start("etcd", ...etcd(folder));
    start("kube-apiserver", ...apiServer(folder));
    await until("the API server was not ready", async () => {
      if (!existsSync(folder.at("pki/apiserver.crt"))) return false;
      return await ready("get", "--raw", "/readyz");
    });
  });
  await listener.progress("containerd", async () => {
    start("containerd", "--config", folder.at("containerd.toml"));
    await until("containerd was not ready", () =>
      runInBox(box, ["ctr", "--address", CONTAINERD, "version"], { signal, timeoutMs: 5_000 }).then(
        () => true,
      ),
    );
  });
  await listener.progress("node", async () => {
    const kubeconfig = `--kubeconfig=${folder.at("kubeconfig")}`;
    start("kube-controller-manager", kubeconfig, ...controllerManager(folder));
    start("kube-scheduler", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1");
    start("kubelet", kubeconfig, ...kubelet(folder));
    start(
      "kube-proxy",
      ...[kubeconfig, `--hostname-override=${NODE}`, `--cluster-cidr=${PODS}`],
      // They are the machine's.
      ...["--conntrack-max-per-core=0", "--conntrack-min=0"],
    );
    // It ends if it does not find its node.
    await until("the node was not registered", () => ready("get", `node/${NODE}`));
    start(
      "kube-router",
      ...[kubeconfig, `--hostname-override=${NODE}`, `--service-cluster-ip-range=${SERVICES}`],
      ...["--run-firewall=true", "--run-router=false", "--run-service-proxy=false"],
    );
    await until("the node was not ready", () =>
      ready("wait", `node/${NODE}`, "--for=condition=Ready", "--timeout=1s"),
    );
  });
}

/** Gives the images of a file made by `docker save` to the node. */
export async function loadImages(box: Box, file: string, signal: AbortSignal): Promise<void> {
  const ctr = ["ctr", "--address", CONTAINERD, "--namespace", "k8s.io"];
  await runInBox(box, [...ctr, "images", "import", file], { signal, timeoutMs: 180_000 });
}

async function logsOf(daemons: readonly Daemon[]): Promise<string> {
  return `Their logs: ${daemons.map(({ logFile }) => logFile).join(" ")}`;
}

async function writeFiles(folder: ClusterFolder): Promise<void> {
  for (const name of ["pki", "cni", "etcd", "flexvolume", "kubelet"])
    await mkdir(folder.at(name), { recursive: true });
  const token = randomBytes(24).toString("hex");
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const secret = { mode: 0o600 };
  const key = privateKey.export({ type: "sec1", format: "pem" });
  await writeFile(folder.at("pki/accounts.key"), key, secret);
  await writeFile(folder.at("pki/accounts.pub"), publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(folder.at("pki/tokens.csv"), `${token},admin,1,system:masters\n`, secret);
  await writeFile(folder.at("kubeconfig"), JSON.stringify(kubeconfig(folder, token)), secret);
  await writeFile(folder.at("containerd.toml"), containerdConfig(folder));
  await writeFile(folder.at("cni/10-ptp.conflist"), JSON.stringify(cni()));
  await writeFile(folder.at("kubelet.json"), JSON.stringify(kubeletConfig(folder)));
  await writeFile(folder.at("resolv.conf"), "");
}

const kubeconfig = (folder: ClusterFolder, token: string) => ({
  apiVersion: "v1",
  kind: "Config",
  clusters: [
    {
      name: "tercet",
      cluster: { server: API, "certificate-authority": folder.at("pki/apiserver.crt") },
    },
  ],
  users: [{ name: "admin", user: { token } }],
  contexts: [{ name: "tercet", context: { cluster: "tercet", user: "admin" } }],
  "current-context": "tercet",
});

const etcd = (folder: ClusterFolder): string[] => [
  `--data-dir=${folder.at("etcd")}`,
  ...[`--listen-client-urls=${ETCD}`, `--advertise-client-urls=${ETCD}`],
];

const apiServer = (folder: ClusterFolder): string[] => [
  `--etcd-servers=${ETCD}`,
  ...[`--advertise-address=${NODE_IP}`, `--cert-dir=${folder.at("pki")}`],
  ...[`--token-auth-file=${folder.at("pki/tokens.csv")}`, "--authorization-mode=RBAC"],
  `--service-account-key-file=${folder.at("pki/accounts.pub")}`,
  `--service-account-signing-key-file=${folder.at("pki/accounts.key")}`,
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-cluster-ip-range=${SERVICES}`,
  "--kubelet-preferred-address-types=InternalIP",
];

const controllerManager = (folder: ClusterFolder): string[] => [
  ...["--leader-elect=false", "--bind-address=127.0.0.1"],
  `--cert-dir=${folder.at("pki/controller-manager")}`,
  `--service-account-private-key-file=${folder.at("pki/accounts.key")}`,
  `--root-ca-file=${folder.at("pki/apiserver.crt")}`,
  ...["--allocate-node-cidrs", `--cluster-cidr=${PODS}`, `--service-cluster-ip-range=${SERVICES}`],
];

const kubelet = (folder: ClusterFolder): string[] => [
  `--config=${folder.at("kubelet.json")}`,
  `--root-dir=${folder.at("kubelet")}`,
  `--cert-dir=${folder.at("kubelet/pki")}`,
  ...[`--hostname-override=${NODE}`, `--node-ip=${NODE_IP}`],
];

const kubeletConfig = (folder: ClusterFolder) => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  containerRuntimeEndpoint: `unix://${CONTAINERD}`,
  // Where there is no systemd; and version 1 is what some machines have.
  cgroupDriver: "cgroupfs",
  failCgroupV1: false,
  cgroupRoot: `/${groupOf(folder)}`,
  // Only processes of the box reach it.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: "AlwaysAllow" },
  clusterDNS: [DNS_IP],
  clusterDomain: "cluster.local",
  resolvConf: folder.at("resolv.conf"),
  failSwapOn: false,
  makeIPTablesUtilChains: false,
  oomScoreAdj: 0,
  volumePluginDir: folder.at("flexvolume"),
  // The machine's disk is not the cluster's own.
  imageGCHighThresholdPercent: 100,
  evictionHard: {
    "memory.available": "100Mi",
    "nodefs.available": "1%",
    "imagefs.available": "1%",
  },
});

const containerdConfig = (folder: ClusterFolder): string => `version = 2
root = "${folder.at("containerd")}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # A container's root often lacks CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_FOLDERS.find((path) => existsSync(path))}"
    conf_dir = "${folder.at("cni")}"
`;

const cni = () => ({
  cniVersion: "0.4.0",
  name: "tercet",
  plugins: [
    {
      type: "ptp",
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: PODS_OF_NODE }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: "/run/cni-addresses",
      },
    },
  ],
});

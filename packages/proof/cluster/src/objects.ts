import { DNS_IP, NODE } from "./control-plane.ts";
import type { ClusterFolder } from "./folder.ts";

/** How many volumes there are, each for one claim. */
const VOLUMES = 24;
export const DNS_IMAGE = "cluster.tercet/coredns:1";

/** The folders of the volumes, which must be there. */
export const volumeFolders = (folder: ClusterFolder): string[] =>
  Array.from({ length: VOLUMES }, (_, index) => folder.at("volumes", `${index}`));

/** What a cluster brings: names, and volumes of this machine's disk. */
export const clusterObjects = (folder: ClusterFolder): object[] => [
  ...dns(),
  storageClass,
  ...volumeFolders(folder).map(volume),
];

const storageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: {
    name: "local",
    annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
  },
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "WaitForFirstConsumer",
};

const volume = (path: string, index: number) => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: `local-${index}` },
  spec: {
    capacity: { storage: "10Gi" },
    // On the only node, many pods may write to it.
    accessModes: ["ReadWriteOnce", "ReadWriteMany"],
    storageClassName: storageClass.metadata.name,
    persistentVolumeReclaimPolicy: "Retain",
    local: { path },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [NODE] }],
          },
        ],
      },
    },
  },
});

const COREFILE = `.:53 {
  errors
  health
  ready
  kubernetes cluster.local in-addr.arpa
  cache 5
}
`;

function dns(): object[] {
  const labels = { "k8s-app": "kube-dns" };
  const metadata = { name: "coredns", namespace: "kube-system" };
  const rule = (apiGroups: string[], resources: string[]) => ({
    ...{ apiGroups, resources },
    verbs: ["list", "watch"],
  });
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "coredns" },
      rules: [
        rule([""], ["endpoints", "services", "pods", "namespaces"]),
        rule(["discovery.k8s.io"], ["endpointslices"]),
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "coredns" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "coredns" },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: COREFILE } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: "coredns",
            // Whatever happens to other pods of the node, names are resolved.
            tolerations: [{ operator: "Exists" }],
            containers: [
              {
                name: "coredns",
                image: DNS_IMAGE,
                imagePullPolicy: "Never",
                args: ["-conf", "/etc/coredns/Corefile"],
                readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
                volumeMounts: [{ name: "config", mountPath: "/etc/coredns" }],
              },
            ],
            volumes: [{ name: "config", configMap: { name: "coredns" } }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace: "kube-system", labels },
      spec: {
        selector: labels,
        clusterIP: DNS_IP,
        ports: ["UDP", "TCP"].map((protocol) => ({
          ...{ name: protocol.toLowerCase(), protocol, port: 53 },
        })),
      },
    },
  ];
}

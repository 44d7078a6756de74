import { parseAllDocuments } from "yaml";

/** What is read of manifests here. */
export interface K8sObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec?: Spec;
  readonly data?: Readonly<Record<string, string>>;
}

type Labels = Readonly<Record<string, string>>;

interface Metadata {
  readonly name: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
}

// biome-ignore lint/suspicious/noExplicitAny: its shape depends on the kind; kubeconform checks it.
type Spec = any;

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly hostPort?: number;
  }[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string } };
  }[];
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string };
    readonly secretRef?: { readonly name: string };
  }[];
  readonly resources?: Readonly<
    Record<"requests" | "limits", Readonly<Record<string, string>> | undefined>
  >;
  readonly securityContext?: Spec;
  readonly startupProbe?: Spec;
  readonly livenessProbe?: Spec;
  readonly readinessProbe?: Spec;
  readonly lifecycle?: Spec;
}

/** A pod, or the template of many. */
export interface Pod {
  /** "Deployment order". */
  readonly of: string;
  readonly name: string;
  readonly kind: string;
  readonly labels: Labels;
  readonly spec: Spec;
  readonly containers: readonly Container[];
}

export const parseManifests = (text: string): K8sObject[] =>
  parseAllDocuments(text, { merge: true }).flatMap((document) => {
    const object = document.toJS() as K8sObject | null;
    return object === null ? [] : [object];
  });

export const ofKind = (objects: readonly K8sObject[], ...kinds: readonly string[]): K8sObject[] =>
  objects.filter(({ kind }) => kinds.includes(kind));

export const nameOf = ({ kind, metadata }: K8sObject): string => `${kind} ${metadata.name}`;

export const podsOf = (objects: readonly K8sObject[]): Pod[] =>
  ofKind(objects, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod").map((one) => {
    const { metadata, spec } = templateOf(one);
    return {
      of: nameOf(one),
      name: one.metadata.name,
      kind: one.kind,
      labels: metadata.labels ?? {},
      spec,
      containers: [...(spec.initContainers ?? []), ...spec.containers],
    };
  });

function templateOf(one: K8sObject): Pick<K8sObject, "metadata" | "spec"> {
  if (one.kind === "Pod") return one;
  return one.kind === "CronJob" ? one.spec.jobTemplate.spec.template : one.spec.template;
}

export interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly unknown[];
}

/** An empty selector is everything. Expressions are not understood, and so not used. */
export function selects(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Labels,
): boolean {
  if (matchExpressions.length > 0) throw new Error("matchExpressions are not understood here");
  return Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
}

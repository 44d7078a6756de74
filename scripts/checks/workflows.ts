import { posix } from "node:path";
import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";
import { parse } from "yaml";
import { goTools } from "../go-tools.ts";
import { missingScripts, namesIn } from "./docs.ts";

/** The only jobs that may do more than read. */
const MAY_WRITE: Readonly<Record<string, readonly string[]>> = {
  ".github/workflows/images.yml publish": ["packages", "id-token"],
  ".github/workflows/images.yml release": ["packages", "contents"],
};
/** They run strangers' code with the repository's rights. */
const FORBIDDEN_EVENTS = ["pull_request_target", "workflow_run", "issue_comment"];
const PINNED = /^[\w.-]+(\/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;

export const checkWorkflows = async (): Promise<Outcome> =>
  failedWith(workflowProblems(await readTexts(await listFiles())));

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "timeout-minutes"?: unknown;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: string | readonly string[] | Readonly<Record<string, unknown>>;
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Dependabot {
  readonly updates: readonly {
    readonly directory?: string;
    readonly directories?: readonly string[];
  }[];
}

/**
 * Returns the problems of workflows, actions and Dependabot's file. All files of the repository are
 * given as path (from the root) and text.
 */
export function workflowProblems(files: ReadonlyMap<string, string>): string[] {
  const of = (pattern: RegExp) => [...files].filter(([path]) => pattern.test(path));
  const workflows = of(/^\.github\/workflows\/[^/]+\.yml$/);
  const actions = of(/^\.github\/actions\/[^/]+\/action\.yml$/);
  const steps = [
    ...workflows.flatMap(([path, text]) =>
      Object.values((parse(text) as Workflow).jobs).flatMap(stepsOf(path)),
    ),
    ...actions.flatMap(([path, text]) => stepsOf(path)((parse(text) as { runs: Job }).runs)),
  ];
  return [
    ...[...workflows, ...actions].flatMap(([path, text]) => pinProblems(path, text)),
    ...differingPins([...workflows, ...actions]),
    ...workflows.flatMap(([path, text]) => workflowRules(path, parse(text) as Workflow)),
    ...steps.flatMap(({ path, step }) =>
      stepRules(step, files).map((problem) => `${path}: ${problem}`),
    ),
    ...of(/^\.github\/dependabot\.yml$/).flatMap(([path, text]) =>
      dependabotRules(path, parse(text) as Dependabot, files),
    ),
  ];
}

const stepsOf =
  (path: string) =>
  ({ steps = [] }: Job): { path: string; step: Step }[] =>
    steps.map((step) => ({ path, step }));

/** From the text, because the version is in a comment. */
const usesIn = (text: string): string[] =>
  namesIn(text, /^\s*(?:- )?uses: (.+)$/gm).map((uses) => uses.trim());

function pinProblems(path: string, text: string): string[] {
  const others = usesIn(text).filter((uses) => !uses.startsWith("./"));
  return others
    .filter((uses) => !PINNED.test(uses))
    .map((uses) => `${path}: "${uses}" is not pinned: name@40-hex-commit # v1.2.3`);
}

function differingPins(files: readonly (readonly [string, string])[]): string[] {
  const pins = new Set(
    files.flatMap(([, text]) => usesIn(text)).filter((uses) => PINNED.test(uses)),
  );
  const byName = Map.groupBy(pins, (uses) => uses.split("@")[0] ?? "");
  return [...byName]
    .filter(([, some]) => some.length > 1)
    .map(([name, some]) => `${name} is pinned differently: ${some.join(", ")}`);
}

function workflowRules(path: string, { on, permissions, concurrency, jobs }: Workflow): string[] {
  const events = typeof on === "string" ? [on] : Array.isArray(on) ? on : Object.keys(on);
  return [
    ...events
      .filter((event) => FORBIDDEN_EVENTS.includes(event))
      .map((event) => `${path}: on ${event}`),
    ...problemIf(
      JSON.stringify(permissions) !== "{}",
      `${path}: permissions are not {} at the top`,
    ),
    ...problemIf(concurrency === undefined, `${path}: no concurrency group`),
    ...Object.entries(jobs).flatMap(([name, job]) => jobRules(`${path} ${name}`, job)),
  ];
}

function jobRules(name: string, { permissions, ...job }: Job): string[] {
  const writes = Object.entries(permissions ?? {}).flatMap(([scope, level]) =>
    level === "write" ? [scope] : [],
  );
  const forbidden = writes.filter((scope) => !MAY_WRITE[name]?.includes(scope));
  return [
    ...problemIf(typeof permissions !== "object", `${name}: no list of permissions`),
    ...forbidden.map((scope) => `${name}: may write ${scope}`),
    ...problemIf(job["timeout-minutes"] === undefined, `${name}: no timeout-minutes`),
  ];
}

/** An expression names its files as texts. */
const filesOf = (file: string): readonly string[] =>
  file.includes("${{") ? namesIn(file, PATHS) : [file];

function stepRules(
  { uses = "", run = "", with: given = {} }: Step,
  files: ReadonlyMap<string, string>,
): string[] {
  const paths = [
    ...namesIn(run, PATHS),
    ...(typeof given["file"] === "string" ? filesOf(given["file"]) : []),
  ];
  const tools = typeof given["tools"] === "string" ? given["tools"].split(" ") : [];
  const isUnsafe = run.includes("${{");
  const keepsCredentials =
    uses.startsWith("actions/checkout@") && given["persist-credentials"] !== false;
  const isUnknown = uses.startsWith("./") && !files.has(posix.join(uses, "action.yml"));
  return [
    ...problemIf(
      isUnsafe,
      `an expression in a run script, where it is code: pass it in env ("${run.split("\n")[0]}")`,
    ),
    ...problemIf(keepsCredentials, "checkout keeps its credentials: persist-credentials: false"),
    ...problemIf(isUnknown, `there is no action ${uses}`),
    ...paths.filter((path) => !exists(path, files)).map((path) => `there is no ${path}`),
    ...missingScripts(namesIn(run, /\bpnpm ([\w:-]+)/g), files).map(
      (name) => `there is no script for pnpm ${name}`,
    ),
    ...tools
      .filter((name) => !goTools.some((tool) => tool.name === name))
      .map((name) => `pnpm tools knows no ${name}`),
  ];
}

const problemIf = (is: boolean, problem: string): string[] => (is ? [problem] : []);

/** Words that begin with one of the repository's folders. */
const PATHS =
  /(?<=^|[\s"'=])((?:\.ci|\.github|charts|docs|gateway|gen|infra|packages|perf|proto|scripts)\/[\w./*-]+)/gm;

const dependabotRules = (
  path: string,
  { updates }: Dependabot,
  files: ReadonlyMap<string, string>,
): string[] =>
  updates
    .flatMap(({ directory = [], directories = [] }) => [directory, directories].flat())
    .filter((folder) => !exists(folder.slice(1), files))
    .map((folder) => `${path}: there is no ${folder}`);

function exists(path: string, files: ReadonlyMap<string, string>): boolean {
  const plain = path.replace(/\/?\*.*$/, "").replace(/\/$/, "");
  return (
    files.has(plain) ||
    [...files.keys()].some((file) => file.startsWith(plain === "" ? "" : `${plain}/`))
  );
}

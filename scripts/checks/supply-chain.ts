import { execute, failedWith, type Outcome, passed } from "@tercet/cli/repository";

const pnpm = (...args: readonly string[]) => execute("npx", ["-y", "pnpm", ...args]);

/** Fails if a package that we install has a known vulnerability. */
export async function checkAdvisories(): Promise<Outcome> {
  return advisoriesOf(await pnpm("audit", "--json"));
}

interface Finished {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly output: string;
}

interface AuditReport {
  readonly advisories?: Readonly<
    Record<
      string,
      { readonly module_name: string; readonly severity: string; readonly title: string }
    >
  >;
}

/** A report is JSON. Anything else means that there was no network, or no such service. */
export function advisoriesOf({ stdout, output }: Finished): Outcome {
  const report = parse(stdout) as AuditReport | undefined;
  if (report?.advisories === undefined) return skippedBecause("advisories", output);
  return failedWith(
    Object.values(report.advisories).map(
      ({ module_name, severity, title }) => `${module_name}: ${severity}: ${title}`,
    ),
  );
}

/** Fails if a package does not have its registry's signature. */
export async function checkSignatures(): Promise<Outcome> {
  return signaturesOf(await pnpm("audit", "signatures"));
}

const AUDITED = /audited (\d+) packages/;

/** A registry without keys, a mirror for instance, signs nothing that could be verified. */
export function signaturesOf({ code, output }: Finished): Outcome {
  const audited = AUDITED.exec(output)?.[1];
  if (audited === undefined || audited === "0") return skippedBecause("signatures", output);
  return code === 0 ? passed : { kind: "failed", output };
}

const skippedBecause = (what: string, output: string): Outcome => ({
  kind: "skipped",
  reason: `${what} cannot be fetched: ${firstSentence(output)}`,
});

const firstSentence = (output: string): string =>
  output
    .split("\n")
    .map((line) => line.replace(/^[\s×│]+/, "").trim())
    .find((line) => line !== "" && !/^(?:Error: ERR_PNPM|audited 0)/.test(line)) ?? "no reply";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Fails if a version of the lockfile is not allowed by `minimumReleaseAge` or `trustPolicy`, which
 * an install does not look at again.
 */
export async function checkLockfile(): Promise<Outcome> {
  const options = ["--lockfile-only", "--frozen-lockfile", "--no-trust-lockfile"];
  return lockfileOf(await pnpm("install", ...options));
}

/** Before the error that caused the others, in what pnpm says. */
const CAUSE = "╰─▶";

export function lockfileOf({ code, output }: Finished): Outcome {
  if (code === 0) return passed;
  if (!output.includes("ERR_PNPM_META_FETCH_FAIL")) return { kind: "failed", output };
  return skippedBecause("packages' histories", output.split(CAUSE).pop() ?? "");
}

/** Licences that allow what we do with a package: use it, and pass it on in an image. */
const ALLOWED = new Set([
  ...["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0"],
  ...["ISC", "MIT", "MIT-0", "MPL-2.0", "PostgreSQL", "Python-2.0", "Unlicense", "Zlib"],
]);

/** Fails if a package has a licence that is not in our list. */
export async function checkLicences(): Promise<Outcome> {
  const { stdout, output } = await pnpm("licenses", "list", "--json");
  const report = parse(stdout) as Readonly<Record<string, readonly { name: string }[]>> | undefined;
  if (report === undefined) return { kind: "failed", output };
  return failedWith(
    Object.entries(report)
      .filter(([licence]) => !isAllowed(licence))
      .map(([licence, packages]) => `${licence}: ${packages.map(({ name }) => name).join(", ")}`),
  );
}

/** Of a choice one licence is enough; of a combination all are needed (SPDX expressions). */
export function isAllowed(licence: string): boolean {
  const expression = licence.replaceAll(/[()]/g, "");
  return expression
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((one) => ALLOWED.has(one.trim())));
}

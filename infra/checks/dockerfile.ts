import { execute, type Outcome, outcomeOf } from "@tercet/cli/repository";

/** Checks the Dockerfile with hadolint, which also runs shellcheck. */
export async function checkDockerfile(): Promise<Outcome> {
  const version = await execute("hadolint", ["--version"]);
  if (version.code !== 0)
    return { kind: "skipped", reason: "hadolint is not installed: pnpm tools hadolint" };
  return await outcomeOf("hadolint", "--failure-threshold", "style", "infra/docker/Dockerfile");
}

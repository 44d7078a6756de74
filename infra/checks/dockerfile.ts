import { execute, type Outcome, passed } from "@tercet/cli/repository";

/** What hadolint, and shellcheck within it, say of the one Dockerfile. */
export async function checkDockerfile(): Promise<Outcome> {
  const version = await execute("hadolint", ["--version"]);
  if (version.code !== 0)
    return { kind: "skipped", reason: "hadolint is not installed (pnpm tools hadolint)" };
  const { code, output } = await execute("hadolint", [
    "--failure-threshold",
    "style",
    "infra/docker/Dockerfile",
  ]);
  return code === 0 ? passed : { kind: "failed", output };
}

import { execute, listFiles, type Outcome, passed, readTexts } from "@tercet/cli/repository";

/** Lints every shell script, known by its first line or its ending. */
export async function checkShellScripts(): Promise<Outcome> {
  const version = await execute("shellcheck", ["--version"]);
  if (version.code !== 0) return { kind: "skipped", reason: "shellcheck is not installed" };
  const scripts = [...(await readTexts(await listFiles()))]
    .filter(([path, text]) => isShellScript(path, text))
    .map(([path]) => path);
  if (scripts.length === 0) return { kind: "skipped", reason: "there are no shell scripts" };
  const { code, output } = await execute("shellcheck", scripts);
  return code === 0 ? passed : { kind: "failed", output };
}

export function isShellScript(path: string, text: string): boolean {
  return path.endsWith(".sh") || /^#!.*\b(?:ba|da|k)?sh\b/.test(text);
}

import { listFiles, type Outcome, outcomeOf, readTexts } from "@tercet/cli/repository";

/** Runs shellcheck over every shell script, recognized by its first line or its extension. */
export async function checkShellScripts(): Promise<Outcome> {
  const scripts = [...(await readTexts(await listFiles()))]
    .filter(([path, text]) => isShellScript(path, text))
    .map(([path]) => path);
  return await outcomeOf("shellcheck", ...scripts);
}

export function isShellScript(path: string, text: string): boolean {
  return path.endsWith(".sh") || /^#!.*\b(?:ba|da|k)?sh\b/.test(text);
}

import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";

/** How keys and tokens look, by who issues them. */
const SECRETS: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  {
    what: "a private key",
    pattern: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}/,
  },
  { what: "a private JSON Web Key", pattern: /"d"\s*:\s*"[\w-]{43,}"/ },
  { what: "a JSON Web Token", pattern: /\beyJ[\w-]{10,}\.eyJ[\w-]{20,}\.[\w-]{40,}/ },
  { what: "an AWS access key", pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { what: "a GitHub token", pattern: /\b(?:gh[pousr]_\w{36}|github_pat_\w{60,})/ },
  { what: "a GitLab token", pattern: /\bglpat-[\w-]{20}/ },
  { what: "an npm token", pattern: /\bnpm_[A-Za-z0-9]{36}\b/ },
  { what: "a Slack token", pattern: /\bxox[abeoprs]-[\w-]{10,}/ },
  { what: "a Stripe key", pattern: /\b[rs]k_live_\w{20,}/ },
  { what: "a Google key", pattern: /\bAIza[\w-]{35}\b/ },
  { what: "an argon2 hash", pattern: /\$argon2id?\$v=\d+\$[\w=,]+\$[\w+/]{20,}\$[\w+/]{40,}/ },
];

/** Finds keys and tokens in the tree. Known forms only: it cannot know a password from a word. */
export async function checkSecrets(): Promise<Outcome> {
  return failedWith(secretsIn(await readTexts(await listFiles())));
}

export function secretsIn(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) =>
    SECRETS.flatMap(({ what, pattern }) => {
      const found = pattern.exec(text);
      if (found === null) return [];
      const line = text.slice(0, found.index).split("\n").length;
      return [`${path}:${line} contains ${what}: revoke it, and read it from the environment`];
    }),
  );
}

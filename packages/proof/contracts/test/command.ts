import { execFile } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";

export interface Finished {
  readonly code: number;
  readonly output: string;
}

/** Runs `pnpm contracts` from its source, with these words. */
export function contracts(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Finished> {
  const args = [
    "--conditions=source",
    join(ROOT, "packages/proof/contracts/src/main.ts"),
    ...words,
  ];
  const options = {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1", ...env },
    timeout: 5 * 60_000,
    maxBuffer: 2 ** 25,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

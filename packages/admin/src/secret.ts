import type { Readable } from "node:stream";
import password from "@inquirer/password";
import { AdminError, EXIT } from "./errors.ts";

const MAX_BYTES = 4_096;

export interface Prompting {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/**
 * Asks for each secret without showing it; without a terminal, reads one per line of standard
 * input. Never from an argument: other users of the machine can see those.
 */
export async function readSecrets(
  { stdin, stderr, signal }: Prompting,
  ...questions: readonly string[]
): Promise<string[]> {
  if (stdin.isTTY !== true) return await linesOf(stdin, questions);
  const secrets: string[] = [];
  for (const message of questions)
    secrets.push(await password({ message }, { input: stdin, output: stderr, signal }));
  return secrets;
}

async function linesOf(stdin: Readable, questions: readonly string[]): Promise<string[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk as Uint8Array | string);
    size += bytes.length;
    if (size > MAX_BYTES)
      throw new AdminError(`standard input has more than ${MAX_BYTES} bytes`, EXIT.usage);
    chunks.push(bytes);
  }
  const lines = Buffer.concat(chunks).toString().split(/\r?\n/);
  const secrets = lines.slice(0, questions.length);
  if (secrets.length < questions.length || secrets.includes(""))
    throw new AdminError(
      `standard input must have: ${questions.join(", ")}; each on a line of its own`,
      EXIT.usage,
    );
  return secrets;
}

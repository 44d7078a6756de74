import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "@tercet/cli";
import type { Stack } from "@tercet/stack";
import { onPath } from "./tool.ts";

const RUNBOOK = resolve(ROOT, "docs/runbook.md");
const PROGRAMS = ["bash", "curl", "jq"];

/** The programs that the runbook's commands need and this machine lacks. */
export async function missingPrograms(): Promise<string[]> {
  const paths = await Promise.all(PROGRAMS.map(onPath));
  return PROGRAMS.filter((_, index) => paths[index] === undefined);
}

/**
 * Returns the blocks of shell commands under a heading of the runbook, in order. Throws if there
 * are none.
 */
async function commandsOf(heading: string): Promise<string> {
  const [, section = ""] = (await readFile(RUNBOOK, "utf8")).split(`\n## ${heading}\n`);
  const [text = ""] = section.split("\n## ");
  const blocks = [...text.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].map(([, , block = ""]) => block);
  if (blocks.length === 0) throw new Error(`the runbook has no commands under "${heading}"`);
  return blocks.join("");
}

/**
 * Runs the commands under a heading of the runbook in a shell, and resolves to their output. Throws
 * with the output if one fails.
 */
export async function followRunbook(
  stack: Stack,
  heading: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const script = [await commandsOf("Before you begin"), await commandsOf(heading)].join("\n");
  const { olivia } = stack.users;
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
    cwd: ROOT,
    env: {
      PATH: process.env["PATH"],
      IDENTITY: stack.urls.identity,
      ORDER: stack.urls.order,
      PAYMENT: stack.urls.payment,
      OPERATOR_EMAIL: olivia.email,
      OPERATOR_PASSWORD: olivia.password,
      ...env,
    },
  });
  return stdout;
}

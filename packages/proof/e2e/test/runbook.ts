import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ROOT } from "@tercet/cli";
import { networkEnv } from "@tercet/cluster";
import type { Env } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { execa } from "execa";
import { onPath } from "./tool.ts";

const RUNBOOK = resolve(ROOT, "docs/runbook.md");
const PROGRAMS = ["bash", "jq", "npx"];
/** The heading whose first block defines `admin`, and whose second logs in. */
const BEGIN = "Before you begin";

/** The programs that the runbook's commands need and this machine lacks. */
export async function missingPrograms(): Promise<string[]> {
  const paths = await Promise.all(PROGRAMS.map(onPath));
  return PROGRAMS.filter((_, index) => paths[index] === undefined);
}

/** Returns the blocks of shell commands under a heading of the runbook, up to the next heading. */
async function blocksUnder(heading: string): Promise<string[]> {
  const lines = (await readFile(RUNBOOK, "utf8")).split("\n");
  const start = lines.findIndex((line) => /^#{2,3} /.test(line) && line.endsWith(` ${heading}`));
  const text = lines.slice(start + 1).join("\n");
  const section = text.slice(0, text.search(/^#{2,3} /m));
  const blocks = [...section.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].map(
    ([, , block = ""]) => block,
  );
  if (start < 0 || blocks.length === 0)
    throw new Error(`the runbook has no commands under "${heading}"`);
  return blocks;
}

export interface Reader {
  readonly stack: Stack;
  /** The reader's configuration folder: it has the login. */
  readonly configDir: string;
  /** What the reader exported before, as the runbook says. */
  readonly env?: Env;
}

/** Pastes what logs in, and types the operator's password. */
export async function logInAsReader(reader: Reader): Promise<void> {
  await paste(reader, await blocksUnder(BEGIN), `${reader.stack.users.olivia.password}\n`);
}

/**
 * Pastes the blocks under each heading into a new shell, in which a reader who is logged in has
 * defined `admin`. Resolves to what they print. Throws, with it, if one fails.
 */
export async function followRunbook(reader: Reader, headings: readonly string[]): Promise<string> {
  const blocks = await Promise.all(headings.map(blocksUnder));
  return await paste(reader, [await definition(), ...blocks.flat()], "");
}

/** Pastes one block under a heading, the first being 0, and types at its questions. */
export async function followBlock(
  reader: Reader,
  heading: string,
  index: number,
  typed = "",
): Promise<string> {
  const { [index]: block = "" } = await blocksUnder(heading);
  return await paste(reader, [await definition(), block], typed);
}

const definition = async (): Promise<string> => (await blocksUnder(BEGIN))[0] ?? "";

/** The shell has what every shell has, and the address of the system. `npx` needs the network. */
async function paste(
  { stack, configDir, env = {} }: Reader,
  blocks: readonly string[],
  typed: string,
): Promise<string> {
  const { PATH, HOME } = process.env;
  const { stdout } = await execa("bash", ["-euo", "pipefail", "-c", blocks.join("\n")], {
    cwd: ROOT,
    extendEnv: false,
    env: {
      ...{ PATH, HOME, ...networkEnv() },
      ...{ XDG_CONFIG_HOME: configDir, TERCET_URL: stack.urls.edge },
      ...env,
    },
    input: typed,
  });
  return stdout;
}

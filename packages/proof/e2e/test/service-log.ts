import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServiceName, Stack } from "@tercet/stack";

export type LogLine = Readonly<Record<string, unknown>>;

/** The lines that a service has logged so far. */
export async function logLines(
  { dataDir }: Pick<Stack, "dataDir">,
  name: ServiceName,
): Promise<LogLine[]> {
  return linesOf(await readFile(join(dataDir, "logs", `${name}.log`), "utf8"));
}

/** The lines that all services, replicas included, have logged so far. */
export async function allLines(stack: Pick<Stack, "dataDir">): Promise<LogLine[]> {
  return [...(await allLogs(stack)).values()].flatMap(linesOf);
}

/** Skips what is not JSON, or not yet a whole line. */
const linesOf = (text: string): LogLine[] =>
  text
    .split("\n")
    .flatMap((line) => (line.startsWith("{") && line.endsWith("}") ? [JSON.parse(line)] : []));

/** The lines at level error or fatal. */
export async function loggedErrors(stack: Pick<Stack, "dataDir">): Promise<string[]> {
  const lines = await allLines(stack);
  return lines
    .filter(({ level }) => level === "error" || level === "fatal")
    .map((line) => JSON.stringify(line));
}

/** The logs of all processes of the stack, PostgreSQL included, by file. */
export async function allLogs({ dataDir }: Pick<Stack, "dataDir">): Promise<Map<string, string>> {
  const folder = join(dataDir, "logs");
  const names = await readdir(folder);
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const),
    ),
  );
}

import { readFile, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "@tercet/service";
import type postgres from "postgres";
import type { Operation } from "./growth-operations.ts";

const POLL_MS = 20;
const TIMEOUT_MS = 30_000;

/** Makes PostgreSQL log the plan of each statement of later sessions with a database. */
export async function explainStatements(server: Sql, database: string): Promise<void> {
  const settings = {
    session_preload_libraries: "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
  };
  for (const [name, value] of Object.entries(settings))
    await server.unsafe(`alter database ${database} set ${name} = '${value}'`);
}

/** How PostgreSQL ran an operation's statements. */
export interface Explained {
  readonly plan: string;
  /** Read or written, in its memory or not; of each run. */
  readonly pages: readonly number[];
}

/**
 * Runs an operation `runs` times, and returns how PostgreSQL ran its statements, from its log.
 * `mark` is a session whose statements are logged too: in the log they come before and after.
 */
export async function explain(
  { before, run, after }: Operation,
  runs: number,
  mark: postgres.Sql,
  logFile: string,
): Promise<Explained> {
  let plan: string | undefined;
  const pages: number[] = [];
  for (let count = 0; count < runs; count++) {
    await before?.();
    const from = await marked(mark, logFile);
    await run();
    const to = await marked(mark, logFile);
    await after?.();
    const log = (await readFile(logFile)).subarray(from, to).toString();
    plan ??= log.slice(0, log.lastIndexOf("Query Text: select 'mark")).trim();
    pages.push(pagesOf(log));
  }
  return { plan: plan ?? "", pages };
}

/** Returns the pages that the logged statements read or wrote. */
export const pagesOf = (log: string): number =>
  log
    .split("Query Text: ")
    .slice(1)
    .reduce((sum, statement) => sum + pagesOfStatement(statement), 0);

/** The plan's first line about buffers is of all of it, but for the CTEs that nothing reads. */
function pagesOfStatement(statement: string): number {
  const lines = statement.split("\n");
  const indent = (line: string) => line.search(/\S|$/);
  const unread = [...lines.entries()].filter(([, line]) => {
    const name = /^\s+CTE (\w+)$/.exec(line)?.[1];
    return name !== undefined && !statement.includes(`CTE Scan on ${name} `);
  });
  const parts = unread.map(([start, line]) => {
    const below = lines.slice(start + 1);
    const end = below.findIndex((other) => indent(other) <= indent(line));
    return end === -1 ? below : below.slice(0, end);
  });
  return [lines, ...parts].reduce((sum, part) => sum + firstBuffers(part), 0);
}

function firstBuffers(lines: readonly string[]): number {
  const [, buffers = ""] =
    lines.map((line) => /^\s+Buffers: shared(.*)$/.exec(line)).find((match) => match !== null) ??
    [];
  return [...buffers.matchAll(/(?:hit|read)=(\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/** Resolves to the length of the log when it contains all statements until now. */
async function marked(mark: postgres.Sql, logFile: string): Promise<number> {
  const text = `mark ${crypto.randomUUID()}`;
  await mark.unsafe(`select '${text}' as mark`);
  const deadline = performance.now() + TIMEOUT_MS;
  while (!(await readFile(logFile, "utf8")).includes(text)) {
    if (performance.now() > deadline) throw new Error(`${logFile} does not contain any plans`);
    await sleep(POLL_MS);
  }
  return (await stat(logFile)).size;
}

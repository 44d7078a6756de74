import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { StartError } from "../config.ts";

/** A row: the name of its table or collection, and its text, which is JSON and is never parsed. */
export type BackupRow = readonly [table: string, json: string];

export interface BackupFile {
  readonly path: string;
  readonly rows: number;
}

/** The first line of a backup. */
interface Header {
  readonly format: typeof FORMAT;
  readonly service: string;
  /** When it began, in ISO 8601. */
  readonly time: string;
}

/** The last line; a backup without it is not whole. */
interface Footer {
  /** Of all lines before. */
  readonly sha256: string;
}

const FORMAT = "tercet-backup-1";
const SUFFIX = ".jsonl.gz";
const UNFINISHED = ".unfinished";

/**
 * Writes the rows to a new file in the folder, `order-2026-11-28T02-00-00Z.jsonl.gz`, readable by
 * its owner alone, and then deletes the service's oldest files, so that `keep` are left. The file
 * gets its name when it is whole and on the disk.
 */
export async function writeBackup(
  folder: string,
  service: string,
  keep: number,
  rows: AsyncIterable<BackupRow>,
): Promise<BackupFile> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const existing = await readdir(folder);
  for (const name of existing.filter((name) => isOf(service, name, UNFINISHED)))
    await rm(join(folder, name), { force: true });
  const time = `${new Date().toISOString().slice(0, 19)}Z`;
  const path = join(folder, `${service}-${time.replaceAll(":", "-")}${SUFFIX}`);
  let count = 0;
  async function* lines(): AsyncGenerator<string> {
    const sha256 = createHash("sha256");
    const line = (value: Header | BackupRow) => {
      const text = `${JSON.stringify(value)}\n`;
      sha256.update(text);
      return text;
    };
    yield line({ format: FORMAT, service, time });
    for await (const row of rows) {
      count++;
      yield line(row);
    }
    const footer: Footer = { sha256: sha256.digest("hex") };
    yield `${JSON.stringify(footer)}\n`;
  }
  const draft = `${path}${UNFINISHED}`;
  try {
    const file = createWriteStream(draft, { flags: "wx", mode: 0o600 });
    await pipeline(Readable.from(lines()), createGzip(), file);
    await using written = await open(draft, "r+");
    await written.sync();
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const all = (await readdir(folder)).filter((name) => isOf(service, name, SUFFIX)).sort();
  for (const name of all.slice(0, -keep)) await rm(join(folder, name), { force: true });
  return { path, rows: count };
}

const isOf = (service: string, name: string, suffix: string): boolean =>
  name.startsWith(`${service}-2`) && name.endsWith(suffix);

/** Resolves to the path of the service's latest backup in the folder; undefined without one. */
export async function latestBackup(folder: string, service: string): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => isOf(service, name, SUFFIX)).sort();
  const last = names.at(-1);
  return last && join(folder, last);
}

/**
 * Reads a backup of the service to its end. Throws StartError if it is not whole, or another
 * service's.
 */
export async function checkBackup(path: string, service: string): Promise<BackupFile> {
  const refuse = (why: string) => new StartError(`${path} cannot be restored: ${why}`);
  const sha256 = createHash("sha256");
  let [count, footer]: [number, Footer | undefined] = [-1, undefined];
  try {
    for await (const text of textLines(path)) {
      const value = JSON.parse(text) as Header | BackupRow | Footer;
      if (footer !== undefined) throw refuse("it goes on after its end");
      if ("sha256" in value) footer = value;
      else sha256.update(`${text}\n`);
      if (count === -1) requireHeader(value as Partial<Header>, service, refuse);
      if (footer === undefined) count++;
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw refuse((error as Error).message);
  }
  if (footer?.sha256 !== sha256.digest("hex")) throw refuse("it is not whole");
  return { path, rows: count };
}

function requireHeader(
  { format, service: owner }: Partial<Header>,
  service: string,
  refuse: (why: string) => StartError,
): void {
  if (format !== FORMAT) throw refuse(`it is no backup of the format ${FORMAT}`);
  if (owner !== service) throw refuse(`it is a backup of ${owner}, not of ${service}`);
}

/** Yields the lines of the rows, in batches. */
export async function* rowLines(path: string, batch: number): AsyncGenerator<readonly string[]> {
  let lines: string[] = [];
  for await (const line of textLines(path)) {
    if (!line.startsWith("[")) continue;
    lines.push(line);
    if (lines.length < batch) continue;
    yield lines;
    lines = [];
  }
  if (lines.length > 0) yield lines;
}

async function* textLines(path: string): AsyncGenerator<string> {
  const source = createReadStream(path);
  const text = createGunzip();
  const done = pipeline(source, text);
  done.catch(() => {});
  yield* createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY });
  await done;
}

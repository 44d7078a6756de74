import { link, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Money } from "@tercet/service";
import type { ProviderCharge } from "./provider.ts";

interface Entry {
  /** The idempotency key that the provider was given. */
  readonly key: string;
  readonly amount: Money;
  readonly time: Date;
}

export interface ChargeEntry extends Entry {
  readonly kind: "charge";
  readonly reference: string;
  /** Refunds of this charge fail until the provider is told otherwise. */
  readonly refundsFail: boolean;
}

/** Moves no money; it is here so that a charge asked for again gets the same answer. */
export interface DeclineEntry extends Entry {
  readonly kind: "decline";
  readonly reason: Extract<ProviderCharge, { outcome: "declined" }>["reason"];
}

export interface RefundEntry extends Entry {
  readonly kind: "refund";
  readonly reference: string;
  readonly chargeKey: string;
}

export type BookEntry = ChargeEntry | DeclineEntry | RefundEntry;

/** The file of a key: a charge and its decline exclude each other. */
type Slot = "charge" | "refund";
type SameSlot<E extends BookEntry> = E extends RefundEntry
  ? RefundEntry
  : ChargeEntry | DeclineEntry;

const slotOf = (kind: BookEntry["kind"]): Slot => (kind === "refund" ? "refund" : "charge");
const SAFE_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * The provider's book: a folder with one immutable JSON file for each key. Nothing is written twice
 * and nothing is torn, however many processes share the folder and whenever they are killed: a file
 * gets its name, by link(2), when it is complete, and only if no file has that name.
 */
export async function openBook(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
}

/**
 * Enters it, unless the key is there already: `entry` is what the book says about the key,
 * `written` whether this call wrote it.
 */
export async function append<E extends BookEntry>(
  dir: string,
  entry: E,
): Promise<{ entry: SameSlot<E>; written: boolean }> {
  const slot = slotOf(entry.kind);
  const draft = join(dir, `.${crypto.randomUUID()}`);
  await writeFile(draft, toJson(entry));
  try {
    await link(draft, fileOf(dir, slot, entry.key));
    return { entry: entry as unknown as SameSlot<E>, written: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return { entry: (await read(fileOf(dir, slot, entry.key))) as SameSlot<E>, written: false };
  } finally {
    await rm(draft, { force: true });
  }
}

export async function findCharge(
  dir: string,
  key: string,
): Promise<ChargeEntry | DeclineEntry | undefined> {
  return (await find(dir, "charge", key)) as ChargeEntry | DeclineEntry | undefined;
}

export async function findRefund(dir: string, key: string): Promise<RefundEntry | undefined> {
  return (await find(dir, "refund", key)) as RefundEntry | undefined;
}

/** Every entry, oldest first: the ground truth of what money moved. */
export const readBook = (dir: string): Promise<BookEntry[]> => new BookReader(dir).read();

/** Fewer than a process may have open. */
const FILES_AT_ONCE = 100;

/** Reads a book again and again: entries never change, so each is read once. */
export class BookReader {
  readonly #dir: string;
  readonly #entries = new Map<string, BookEntry>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Every entry, oldest first. */
  async read(): Promise<BookEntry[]> {
    const names = (await readdir(this.#dir)).filter(
      (name) => name.endsWith(".json") && !name.startsWith("."),
    );
    const news = names.filter((name) => !this.#entries.has(name));
    for (let at = 0; at < news.length; at += FILES_AT_ONCE)
      await Promise.all(
        news
          .slice(at, at + FILES_AT_ONCE)
          .map(async (name) => void this.#entries.set(name, await read(join(this.#dir, name)))),
      );
    return [...this.#entries.values()].sort((a, b) => a.time.getTime() - b.time.getTime());
  }
}

async function find(dir: string, slot: Slot, key: string): Promise<BookEntry | undefined> {
  try {
    return await read(fileOf(dir, slot, key));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A key becomes a file's name: it must not lead out of the folder. */
function fileOf(dir: string, slot: Slot, key: string): string {
  if (!SAFE_KEY.test(key)) throw new RangeError("not a key of the book");
  return join(dir, `${slot}-${key}.json`);
}

const toJson = (entry: BookEntry): string =>
  JSON.stringify(entry, (_, value) => (typeof value === "bigint" ? String(value) : value));

async function read(file: string): Promise<BookEntry> {
  const { amount, time, ...rest } = JSON.parse(await readFile(file, "utf8"));
  return {
    ...rest,
    amount: { currencyCode: amount.currencyCode, minorUnits: BigInt(amount.minorUnits) },
    time: new Date(time),
  };
}

import { access, link, mkdir, readdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Money, moneyJson } from "@tercet/service";
import type { ProviderCharge } from "./provider.ts";

interface Entry {
  /** The idempotency key of the call. */
  readonly key: string;
  readonly amount: Money;
  readonly time: Date;
}

export interface ChargeEntry extends Entry {
  readonly kind: "charge";
  readonly reference: string;
  /** Refunds of this charge fail until REFUNDS_WORK exists. */
  readonly refundsFail: boolean;
}

/** Moves no money; stored so that a repeated charge gets the same result. */
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

/** The kind of a key's file: a charge and its decline exclude each other. */
type Slot = "charge" | "refund";
type SameSlot<E extends BookEntry> = E extends RefundEntry
  ? RefundEntry
  : ChargeEntry | DeclineEntry;

const SAFE_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Opens the provider's book: a folder with one immutable JSON file per key. No file is written
 * twice or torn, however many processes share the folder and whenever they are killed: a complete
 * file gets its name by link(2), and only if no file has that name.
 */
export async function openBook(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
}

/** Throws unless an entry can be written. Does not create the folder: an empty book is wrong. */
export const checkBook = (dir: string): Promise<void> => withDraft(dir, "", async () => {});

/**
 * Writes the entry unless its key is in the book. Returns the book's entry for the key, and whether
 * this call wrote it. If it throws, nothing was written.
 */
export async function append<E extends BookEntry>(
  dir: string,
  entry: E,
): Promise<{ entry: SameSlot<E>; written: boolean }> {
  const file = fileOf(dir, entry.kind === "refund" ? "refund" : "charge", entry.key);
  return withDraft(dir, toJson(entry), async (draft) => {
    try {
      await link(draft, file);
      return { entry: entry as unknown as SameSlot<E>, written: true };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      return { entry: (await read(file)) as SameSlot<E>, written: false };
    }
  });
}

export const findCharge = (dir: string, key: string) =>
  find<ChargeEntry | DeclineEntry>(dir, "charge", key);

export const findRefund = (dir: string, key: string) => find<RefundEntry>(dir, "refund", key);

/** Returns every entry, oldest first: the ground truth about money that moved. */
export const readBook = (dir: string): Promise<BookEntry[]> => new BookReader(dir).read();

/** Fewer than a process may have open. */
const FILES_AT_ONCE = 100;

/** Reads a book repeatedly. Entries never change, so each file is read once. */
export class BookReader {
  readonly #dir: string;
  readonly #entries = new Map<string, BookEntry>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Returns every entry, oldest first. */
  async read(): Promise<BookEntry[]> {
    const unread = (await readdir(this.#dir)).filter(
      (name) => name.endsWith(".json") && !name.startsWith(".") && !this.#entries.has(name),
    );
    const readInto = async (name: string) => {
      this.#entries.set(name, await read(join(this.#dir, name)));
    };
    for (let at = 0; at < unread.length; at += FILES_AT_ONCE)
      await Promise.all(unread.slice(at, at + FILES_AT_ONCE).map(readInto));
    return [...this.#entries.values()].sort((a, b) => a.time.getTime() - b.time.getTime());
  }
}

async function find<E extends BookEntry>(
  dir: string,
  slot: Slot,
  key: string,
): Promise<E | undefined> {
  try {
    return (await read(fileOf(dir, slot, key))) as E;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    // A book that is gone does not say that the key was never used.
    await access(dir);
    return undefined;
  }
}

async function withDraft<T>(
  dir: string,
  text: string,
  use: (draft: string) => Promise<T>,
): Promise<T> {
  const draft = join(dir, `.${crypto.randomUUID()}`);
  await writeFile(draft, text);
  try {
    return await use(draft);
  } finally {
    // Readers skip a draft that is left over.
    await unlink(draft).catch(() => {});
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** A key becomes a file name: it must not lead out of the folder. */
function fileOf(dir: string, slot: Slot, key: string): string {
  if (!SAFE_KEY.test(key)) throw new RangeError("not a key of the book");
  return join(dir, `${slot}-${key}.json`);
}

const toJson = (entry: BookEntry): string =>
  JSON.stringify(entry, (_, value) => (typeof value === "bigint" ? String(value) : value));

async function read(file: string): Promise<BookEntry> {
  const { amount, time, ...rest } = JSON.parse(await readFile(file, "utf8"));
  return { ...rest, amount: moneyJson.parse(amount), time: new Date(time) };
}

import { createHash, randomBytes, randomInt } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { generateSigningKey } from "@tercet/identity";
import { z } from "zod";
import { StackError } from "./errors.ts";

/** The users that exist from the first start on, for development. */
export const seededUsers = [
  { name: "alice", email: "alice@example.com", displayName: "Alice", roles: ["customer"] },
  { name: "olivia", email: "olivia@example.com", displayName: "Olivia", roles: ["operator"] },
  { name: "admin", email: "admin@example.com", displayName: "Admin", roles: ["admin"] },
] as const;
export type SeededUserName = (typeof seededUsers)[number]["name"];

const password = z.string().min(8);
const secrets = z.object({
  signingKeys: z.object({ keys: z.array(z.looseObject({ kid: z.string() })).min(1) }),
  orderClientSecret: z.string().min(16),
  passwords: z.object({ alice: password, olivia: password, admin: password }),
});
/** What is generated at the first start, and must be the same at every later one. */
export type Secrets = z.output<typeof secrets>;

/** Reads the secrets of a file; generates them if there is none. Only the owner may read it. */
export async function loadSecrets(file: string): Promise<Secrets> {
  return (await readSecrets(file)) ?? (await makeSecrets(file));
}

/** Resolves to undefined if there is no file. Throws StackError if the file is damaged. */
export async function readSecrets(file: string): Promise<Secrets | undefined> {
  try {
    return secrets.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StackError(`${file} is damaged: restore it, or remove its folder to start afresh`, {
      cause: error,
    });
  }
}

async function makeSecrets(file: string): Promise<Secrets> {
  const made: Secrets = {
    signingKeys: { keys: [await generateSigningKey()] },
    orderClientSecret: randomBytes(32).toString("base64url"),
    passwords: { alice: readablePassword(), olivia: readablePassword(), admin: readablePassword() },
  };
  // Renamed when complete: a stack that is killed here must not leave half a file.
  await writeFile(`${file}.new`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return made;
}

/**
 * Returns the name of the system: from a secret that every start of it has, so that two stacks never
 * share one.
 */
export const systemIdOf = ({ orderClientSecret }: Secrets): string =>
  `stack-${createHash("sha256").update(`tercet:system:${orderClientSecret}`).digest("hex").slice(0, 16)}`;

/** Without letters and digits that look alike. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

/** 59 random bits in groups that are easy to type: "k7mq-x2hd-9fzc". */
function readablePassword(): string {
  const group = () =>
    Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  return [group(), group(), group()].join("-");
}

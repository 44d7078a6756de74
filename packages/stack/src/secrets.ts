import { randomBytes, randomInt } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { generateSigningKey } from "@tercet/identity";
import { z } from "zod";
import { StackError } from "./errors.ts";

/** Who exists from the first start on, for development. */
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
/** What a second start must find as the first one left it. */
export type Secrets = z.output<typeof secrets>;

/** The secrets in a file, made when there is none. Readable by their owner only. */
export async function loadSecrets(file: string): Promise<Secrets> {
  return (await readSecrets(file)) ?? (await makeSecrets(file));
}

/** Undefined when there are none yet. Throws StackError when the file is not as it was written. */
export async function readSecrets(file: string): Promise<Secrets | undefined> {
  try {
    return secrets.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StackError(
      `${file} is not as it was written: restore it, or remove the folder it is in to begin anew`,
      { cause: error },
    );
  }
}

async function makeSecrets(file: string): Promise<Secrets> {
  const made: Secrets = {
    signingKeys: { keys: [await generateSigningKey()] },
    orderClientSecret: randomBytes(32).toString("base64url"),
    passwords: { alice: readablePassword(), olivia: readablePassword(), admin: readablePassword() },
  };
  // Under its name only when it is complete: a stack that is killed here must not leave half of it.
  await writeFile(`${file}.new`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return made;
}

/** Without letters and digits that look alike. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789";

/** 59 bits, in groups that can be typed: "k7mq-x2hd-9fzc". */
function readablePassword(): string {
  const group = () =>
    Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  return [group(), group(), group()].join("-");
}

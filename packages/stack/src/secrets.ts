import { createHash, randomBytes, randomInt } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { generateSigningKey } from "@tercet/identity";
import { z } from "zod";
import { recordOf, type ServiceName, serviceEntry, serviceNames } from "./config.ts";
import { StackError } from "./errors.ts";
import { FORMER_PASSWORD } from "./postgres.ts";

/** The users that exist from the first start on, for development. */
export const seededUsers = [
  { name: "alice", email: "alice@example.com", displayName: "Alice", roles: ["customer"] },
  { name: "olivia", email: "olivia@example.com", displayName: "Olivia", roles: ["operator"] },
  { name: "admin", email: "admin@example.com", displayName: "Admin", roles: ["admin"] },
] as const;
export type SeededUserName = (typeof seededUsers)[number]["name"];

const password = z.string().min(8);
const clientSecret = z.string().min(16);
const secrets = z.object({
  signingKeys: z.object({ keys: z.array(z.looseObject({ kid: z.string() })).min(1) }),
  orderClientSecret: clientSecret,
  /** Of the other services that call one, by name. */
  clientSecrets: z.record(z.string(), clientSecret).default({}),
  /** Of the embedded PostgreSQL. */
  postgresPassword: z.string().min(1).default(FORMER_PASSWORD),
  passwords: z.object({ alice: password, olivia: password, admin: password }),
});
/** What is generated at the first start, and must be the same at every later one. */
export type Secrets = z.output<typeof secrets>;

/** The services that call others, with a token of their own. */
export const clientNames: readonly ServiceName[] = serviceNames.filter(
  (name) => serviceEntry(name).calls.length > 0,
);

/** Returns what a service shows Identity to get its tokens. */
export const clientSecretOf = (secrets: Secrets, name: ServiceName): string | undefined =>
  name === "order" ? secrets.orderClientSecret : secrets.clientSecrets[name];

/**
 * Reads the secrets of a file; generates those that are not in it. Only the owner may read the
 * file.
 */
export async function loadSecrets(file: string): Promise<Secrets> {
  const found = await readSecrets(file);
  const secrets = found ?? (await makeSecrets());
  const missing = clientNames.filter((name) => clientSecretOf(secrets, name) === undefined);
  const { postgresPassword } = secrets;
  const isFormer = postgresPassword === FORMER_PASSWORD;
  if (found !== undefined && missing.length === 0 && !isFormer) return found;
  return await writeSecrets(file, {
    ...secrets,
    clientSecrets: { ...secrets.clientSecrets, ...recordOf(missing, newSecret) },
    postgresPassword: isFormer ? newSecret() : postgresPassword,
  });
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

const newSecret = (): string => randomBytes(32).toString("base64url");

const makeSecrets = async (): Promise<Secrets> => ({
  signingKeys: { keys: [await generateSigningKey()] },
  orderClientSecret: newSecret(),
  clientSecrets: {},
  postgresPassword: newSecret(),
  passwords: { alice: readablePassword(), olivia: readablePassword(), admin: readablePassword() },
});

/** Renamed when complete: a stack that is killed here must not leave half a file. */
async function writeSecrets(file: string, secrets: Secrets): Promise<Secrets> {
  await writeFile(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return secrets;
}

/**
 * Returns the name of the system: from a secret that every start of it has, so that two stacks
 * never share one.
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

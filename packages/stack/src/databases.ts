import postgres from "postgres";
import { databaseVariable, type ServiceName, serviceNames } from "./config.ts";
import { StackError } from "./errors.ts";

const CONNECT_TIMEOUT_S = 5;
const OPTIONS = {
  max: 1,
  fetch_types: false,
  connect_timeout: CONNECT_TIMEOUT_S,
  connection: { statement_timeout: 30_000 },
  onnotice: () => {},
};
/** In words, the errors of a network. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the name of its host cannot be resolved at the moment",
  ECONNREFUSED: "nothing listens there",
  CONNECT_TIMEOUT: `no response in ${CONNECT_TIMEOUT_S} s`,
};

/** Creates the databases that do not exist yet. */
export async function ensureDatabases(serverUrl: string, names: readonly string[]): Promise<void> {
  const sql = postgres(serverUrl, OPTIONS);
  try {
    const there = await sql<{ datname: string }[]>`select datname from pg_database`;
    for (const name of names)
      if (!there.some(({ datname }) => datname === name)) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Throws StackError with a sentence for each given database that cannot be used. MongoDB is left to
 * the service that uses it.
 */
export async function checkDatabases(
  urls: Readonly<Record<ServiceName, string | undefined>>,
): Promise<void> {
  const problems = await Promise.all(serviceNames.map((name) => problemOf(name, urls[name])));
  const sentences = problems.filter((problem) => problem !== undefined);
  if (sentences.length > 0) throw new StackError(sentences.join("\n"));
}

async function problemOf(name: ServiceName, url: string | undefined): Promise<string | undefined> {
  if (url === undefined || !url.startsWith("postgres")) return undefined;
  try {
    const sql = postgres(url, OPTIONS);
    await sql`select 1`.finally(() => sql.end({ timeout: 1 }));
    return undefined;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    // Between the password and the name: it may be several hosts.
    const [, hosts = ""] = /^\w+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(url) ?? [];
    return `the database of ${databaseVariable(name)}, at ${hosts}, cannot be used: ${REASONS[code] ?? message}`;
  }
}

import { Code, ConnectError } from "@connectrpc/connect";
import type { Env } from "@tercet/service";
import { type Command, InvalidArgumentError } from "commander";
import { validate as isUuid, v4 as uuidv4 } from "uuid";
import { type Addresses, type AddressOptions, addressesOf } from "./addresses.ts";
import { type Api, createApi } from "./api.ts";
import { createOutput, type Output } from "./output.ts";
import type { Prompting } from "./secret.ts";
import { openSession, type Session } from "./session.ts";

/** The process that runs a command. */
export interface CommandProcess extends Prompting {
  readonly env: Env;
  readonly stdout: NodeJS.WritableStream;
  /** Where logins are kept. */
  readonly loginFile: string;
}

/** What an action works with. */
export interface Connection {
  readonly addresses: Addresses;
  /** Calls carry the token of the login. */
  readonly api: Api;
  readonly anonymous: Api;
  readonly session: Session;
  readonly output: Output;
}

/** Reads the global options of a command; makes no call. Throws AdminError. */
export function connect(
  { env, stdout, stderr, loginFile }: CommandProcess,
  command: Command,
): Connection {
  const options = command.optsWithGlobals<AddressOptions & { readonly json?: boolean }>();
  const addresses = addressesOf(options, env);
  const anonymous = createApi(addresses);
  const session = openSession(loginFile, addresses.identity, anonymous);
  return {
    addresses,
    anonymous,
    session,
    api: createApi(addresses, (rejected) => session.accessToken(rejected)),
    output: createOutput(stdout, stderr, options.json ?? false),
  };
}

/** An argument that is an id. */
export function uuid(text: string): string {
  if (!isUuid(text)) throw new InvalidArgumentError("It is not a UUID.");
  return text.toLowerCase();
}

const MAX_LIMIT = 1_000;

/** An option that is a number of results. */
export function limit(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MAX_LIMIT)
    throw new InvalidArgumentError(`It is not a number from 1 to ${MAX_LIMIT}.`);
  return number;
}

/** An option that is a time in whole seconds. */
export function seconds(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError("It is not a number of seconds.");
  return Number(text);
}

/** Returns a parser of the name of an enum's value, in any case. */
export const choiceOf =
  (names: readonly string[]) =>
  (text: string): string => {
    const name = names.find((one) => one === text.toUpperCase().replaceAll("-", "_"));
    if (name === undefined) throw new InvalidArgumentError(`One of: ${names.join(", ")}.`);
    return name;
  };

/** Returns the names of an enum's values, without UNSPECIFIED. */
export const namesOf = (values: object): string[] =>
  Object.keys(values).filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED");

/** Adds the option of every command that changes something. */
export const withRequestId = (command: Command): Command =>
  command.option(
    "--request-id <uuid>",
    "idempotency key: with the one of an earlier try, nothing is done twice",
    uuid,
  );

interface Pages<Item> {
  readonly output: Output;
  /** Of at most `size` items. */
  fetch(page: { readonly pageSize: number; readonly pageToken: string }): Promise<{
    readonly items: readonly Item[];
    readonly nextPageToken: string;
  }>;
}

const MAX_PAGE = 100;

/** Resolves to the first `count` items of a list, and notes if there are more. */
export async function firstOf<Item>(
  count: number,
  { output, fetch }: Pages<Item>,
): Promise<Item[]> {
  const found: Item[] = [];
  let pageToken = "";
  do {
    const page = await fetch({ pageSize: Math.min(count - found.length, MAX_PAGE), pageToken });
    found.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < count);
  if (pageToken !== "") output.note(`there are more: these are the first ${count}; see --limit`);
  return found;
}

/**
 * Makes a change under an idempotency key, a new one if none is given. If the outcome is unknown,
 * the error names the key: to repeat the command with it is safe.
 */
export async function once<T>(
  { requestId = uuidv4() }: { readonly requestId?: string },
  change: (requestId: string) => Promise<T>,
): Promise<T> {
  return await change(requestId).catch((error: unknown) => {
    throw repeatable(error, requestId);
  });
}

function repeatable(error: unknown, requestId: string): unknown {
  if (!(error instanceof ConnectError) || !UNKNOWN.has(error.code)) return error;
  const text = `${error.rawMessage}; the outcome is unknown, repeat the command with --request-id ${requestId}`;
  return new ConnectError(text, error.code, error.metadata, undefined, error.cause);
}

const UNKNOWN = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.Internal]);

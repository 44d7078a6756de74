import "./untracked.ts";
import { join } from "node:path";
import { Verifier } from "@pact-foundation/pact";
import { PACTS, readFolder } from "./folder.ts";
import type { Provider, Services } from "./services.ts";
import { stateHandlers } from "./states.ts";

/** For one request, and for one state: more than any deadline, so that a slow machine is not a broken pact. */
const TIMEOUT_MS = 60_000;

/** Sends each interaction of the committed pacts to the running service. Rejects when it does not answer as they say; the differences are printed. */
export async function verifyProvider(provider: Provider, services: Services): Promise<void> {
  const pacts = [...(await readFolder(PACTS))].filter(([name]) => name.endsWith(`-${provider}.json`));
  if (pacts.length === 0) throw new Error(`no pact names ${provider} as its provider`);
  const failures: unknown[] = [];
  const handlers = Object.entries(stateHandlers(services)).map(([name, handle]) => [
    name,
    // Pact goes on when a state could not be made, and the answer may be right by chance.
    async (params: unknown) => await handle((params ?? {}) as Readonly<Record<string, string>>).catch((error) => void failures.push(error)),
  ]);
  assertStates(
    pacts.map(([, text]) => text),
    handlers.map(([name]) => String(name)),
  );
  await new Verifier({
    provider,
    providerBaseUrl: services.urls[provider],
    pactUrls: pacts.map(([name]) => join(PACTS, name)),
    stateHandlers: Object.fromEntries(handlers),
    logLevel: "error",
    timeout: TIMEOUT_MS,
  }).verifyProvider();
  if (failures.length > 0) throw new AggregateError(failures, `states could not be made:\n${failures.join("\n")}`);
}

/** For a state that nobody makes Pact has a warning only. */
function assertStates(pacts: readonly string[], known: readonly string[]): void {
  const interactions = pacts.flatMap((text) => (JSON.parse(text) as PactFile).interactions);
  const states = new Set(interactions.flatMap(({ providerStates = [] }) => providerStates.map(({ name }) => name)));
  const unknown = [...states].filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`states.ts does not make: ${unknown.join("; ")}`);
}

interface PactFile {
  readonly interactions: readonly { readonly providerStates?: readonly { readonly name: string }[] }[];
}

import "./untracked.ts";
import { join } from "node:path";
import { Verifier } from "@pact-foundation/pact";
import { PACTS, readFolder } from "./folder.ts";
import type { Provider, Services } from "./services.ts";
import { type StateHandler, stateHandlers } from "./states.ts";

/**
 * For one request, and for one state: more than any deadline, so that a slow machine is not a
 * broken pact.
 */
const TIMEOUT_MS = 60_000;

/**
 * Sends each interaction of the committed pacts to the running service. Pact prints each, and how
 * an answer differs; answered are sentences that say where to look.
 */
export async function verifyProvider(provider: Provider, services: Services): Promise<string[]> {
  const pacts = [...(await readFolder(PACTS))].filter(([name]) =>
    name.endsWith(`-${provider}.json`),
  );
  if (pacts.length === 0) return [`no pact names ${provider} as its provider`];
  const handlers = stateHandlers(services);
  const problems = unknownStates(pacts.map(([, text]) => text).flatMap(statesOf), handlers);
  // Pact goes on when a state could not be made, and the answer may be right by chance.
  const noting = (name: string, handle: StateHandler) => async (params: unknown) =>
    await handle((params ?? {}) as Readonly<Record<string, string>>).catch(
      (error) => void problems.push(`${name}: ${error}`),
    );
  const verifier = new Verifier({
    provider,
    providerBaseUrl: services.urls[provider],
    pactUrls: pacts.map(([name]) => join(PACTS, name)),
    stateHandlers: Object.fromEntries(
      Object.entries(handlers).map(([name, handle]) => [name, noting(name, handle)]),
    ),
    logLevel: "error",
    timeout: TIMEOUT_MS,
  });
  await verifier
    .verifyProvider()
    .catch(() => void problems.push(`${provider} does not answer as its pacts say: see above`));
  return problems;
}

/** For a state that nobody makes Pact has a warning only. */
const unknownStates = (
  states: readonly string[],
  known: Readonly<Record<string, StateHandler>>,
): string[] =>
  [...new Set(states)]
    .filter((name) => known[name] === undefined)
    .map((name) => `src/states.ts does not make: ${name}`);

function statesOf(pact: string): string[] {
  const { interactions } = JSON.parse(pact) as PactFile;
  return interactions.flatMap(({ providerStates = [] }) => providerStates.map(({ name }) => name));
}

interface PactFile {
  readonly interactions: readonly {
    readonly providerStates?: readonly { readonly name: string }[];
  }[];
}

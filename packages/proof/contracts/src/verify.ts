import "./untracked.ts";
import { join } from "node:path";
import { Verifier } from "@pact-foundation/pact";
import { PACTS, readFolder } from "./folder.ts";
import type { Provider, Services } from "./services.ts";
import { type StateHandler, stateHandlers } from "./states.ts";

/** Of one request and of one state; more than any deadline, for slow machines. */
const TIMEOUT_MS = 60_000;

/**
 * Sends each interaction of the committed pacts to the running service. Pact prints how a response
 * differs. Resolves to a sentence for each problem.
 */
export async function verifyProvider(provider: Provider, services: Services): Promise<string[]> {
  const pacts = [...(await readFolder(PACTS))].filter(([name]) =>
    name.endsWith(`-${provider}.json`),
  );
  if (pacts.length === 0) return [`no pact names ${provider} as its provider`];
  const handlers = stateHandlers(services);
  const problems = unknownStates(pacts.map(([, text]) => text).flatMap(statesOf), handlers);
  // Pact continues when a state handler fails, and the response may be right by chance.
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
    .catch(() => void problems.push(`${provider} breaks its pacts: see above`));
  return problems;
}

/** Pact only warns of a state without a handler. */
const unknownStates = (
  states: readonly string[],
  known: Readonly<Record<string, StateHandler>>,
): string[] =>
  [...new Set(states)]
    .filter((name) => known[name] === undefined)
    .map((name) => `src/states.ts has no handler for: ${name}`);

function statesOf(pact: string): string[] {
  const { interactions } = JSON.parse(pact) as PactFile;
  return interactions.flatMap(({ providerStates = [] }) => providerStates.map(({ name }) => name));
}

interface PactFile {
  readonly interactions: readonly {
    readonly providerStates?: readonly { readonly name: string }[];
  }[];
}

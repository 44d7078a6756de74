import "./untracked.ts";
import { isDeepStrictEqual } from "node:util";
import { Pact } from "@pact-foundation/pact";
import { temporaryFolder } from "@tercet/cli";
import { browserOfIdentity } from "./consumers/browser-of-identity.ts";
import { browserOfOrder } from "./consumers/browser-of-order.ts";
import { orderOfIdentity } from "./consumers/order-of-identity.ts";
import { orderOfPayment } from "./consumers/order-of-payment.ts";
import { PACTS, readFolder, writeFolder } from "./folder.ts";

const consumers = [
  { consumer: "browser", provider: "identity", make: browserOfIdentity },
  { consumer: "browser", provider: "order", make: browserOfOrder },
  { consumer: "order", provider: "identity", make: orderOfIdentity },
  { consumer: "order", provider: "payment", make: orderOfPayment },
];

/** Resolves to a sentence for each difference between consumers and committed pacts. */
export async function pactProblems(): Promise<string[]> {
  const [made, committed] = [await makePacts(), await readFolder(PACTS)];
  const names = [...new Set([...made.keys(), ...committed.keys()])].sort();
  return names.flatMap((name) => differences(name, made.get(name), committed.get(name)));
}

/** Writes the pacts of the current consumers. */
export async function acceptPacts(): Promise<void> {
  await writeFolder(PACTS, await makePacts());
}

/** Runs the consumers' own code against Pact's server, which records the pacts. */
async function makePacts(): Promise<Map<string, string>> {
  await using folder = await temporaryFolder("pacts");
  // Sequentially, since Pact's core has one log for all.
  for (const { consumer, provider, make } of consumers)
    await make(new Pact({ consumer, provider, dir: folder.path, logLevel: "error" }));
  return await readFolder(folder.path);
}

/** Ignores the version of Pact that wrote them. */
function differences(name: string, made?: string, committed?: string): string[] {
  const [were, are] = [interactions(committed), interactions(made)];
  const all = [...new Set([...were.keys(), ...are.keys()])];
  return all.flatMap((description) => {
    const [before, now] = [were.get(description), are.get(description)];
    if (before === undefined) return [`${name} lacks: ${description}`];
    if (now === undefined) return [`${name}: no consumer makes this call any more: ${description}`];
    return isDeepStrictEqual(before, now)
      ? []
      : [`${name}: the consumer makes a different call: ${description}`];
  });
}

interface PactFile {
  readonly interactions: readonly { readonly description: string }[];
}

function interactions(text = '{"interactions":[]}') {
  const pact = JSON.parse(text) as PactFile;
  return new Map(pact.interactions.map((one) => [one.description, one]));
}

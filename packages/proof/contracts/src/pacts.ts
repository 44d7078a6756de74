import "./untracked.ts";
import { isDeepStrictEqual } from "node:util";
import { Pact } from "@pact-foundation/pact";
import { temporaryFolder } from "@tercet/cli";
import { browserOfIdentity } from "./consumers/browser-of-identity.ts";
import { browserOfOrder } from "./consumers/browser-of-order.ts";
import { orderOfIdentity } from "./consumers/order-of-identity.ts";
import { orderOfPayment } from "./consumers/order-of-payment.ts";
import { PACTS, readFolder, writeFolder } from "./folder.ts";

interface Consumer {
  readonly consumer: string;
  readonly provider: string;
  readonly make: (pact: Pact) => Promise<void>;
}

const consumers: readonly Consumer[] = [
  { consumer: "browser", provider: "identity", make: browserOfIdentity },
  { consumer: "browser", provider: "order", make: browserOfOrder },
  { consumer: "order", provider: "identity", make: orderOfIdentity },
  { consumer: "order", provider: "payment", make: orderOfPayment },
];

/** How what consumers ask for today differs from the committed pacts; a sentence each. */
export async function pactProblems(): Promise<string[]> {
  const [made, committed] = [await makePacts(), await readFolder(PACTS)];
  const names = [...new Set([...made.keys(), ...committed.keys()])].sort();
  return names.flatMap((name) => differences(name, made.get(name), committed.get(name)));
}

/** Writes the pacts as the consumers are today. */
export async function acceptPacts(): Promise<void> {
  await writeFolder(PACTS, await makePacts());
}

/** The consumers' own code calls Pact's server, which writes down what it saw. */
async function makePacts(): Promise<Map<string, string>> {
  await using folder = await temporaryFolder("pacts");
  // One after the other: Pact's core keeps one log for all.
  for (const { consumer, provider, make } of consumers)
    await make(new Pact({ consumer, provider, dir: folder.path, logLevel: "error" }));
  return await readFolder(folder.path);
}

interface Interaction {
  readonly description: string;
}

/** Which version of Pact wrote them is no difference. */
function differences(
  name: string,
  made: string | undefined,
  committed: string | undefined,
): string[] {
  const [were, are] = [interactions(committed), interactions(made)];
  const all = [...new Set([...were.keys(), ...are.keys()])];
  return all.flatMap((description) => {
    const [before, now] = [were.get(description), are.get(description)];
    if (before === undefined) return [`${name} does not have: ${description}`];
    if (now === undefined) return [`${name}: no consumer asks for this any more: ${description}`];
    return isDeepStrictEqual(before, now)
      ? []
      : [`${name}: the consumer asks for something else: ${description}`];
  });
}

function interactions(text: string | undefined): Map<string, Interaction> {
  const pact = JSON.parse(text ?? '{"interactions":[]}') as {
    readonly interactions: readonly Interaction[];
  };
  return new Map(pact.interactions.map((one) => [one.description, one]));
}

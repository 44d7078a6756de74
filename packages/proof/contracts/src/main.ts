import { type CommandContext, CommandError, runCommand, type Terminal } from "@tercet/cli";
import { acceptPolicy, policyProblems } from "./policy.ts";
import { publishPacts } from "./publish.ts";
import { acceptVectors, vectorProblems } from "./vectors.ts";

const help = `Usage: pnpm contracts [GATE]... | accept | publish

Holds the contracts to what is committed, and the services to the contracts. Without words it goes through every gate:

  golden    the wire form of every message, binary and JSON, in both directions: packages/proof/contracts/golden/
  policy    who may call each method, and what each field of a request must be: packages/proof/contracts/policy.yaml
  pacts     what consumers ask for, by their own code against Pact's server: packages/proof/contracts/pacts/
  verify    the three services, running on databases of their own, answer as the pacts say

  accept    writes golden vectors, policy and pacts as the code is now, to be committed. Vectors that are there stay as they are.
  publish   sends the pacts to the broker of PACT_BROKER_BASE_URL; from main only, and nowhere when that is not set

Variables:
  TEST_POSTGRES_URL      a server for the databases of "verify"; without it an embedded one is started
  PACT_BROKER_BASE_URL   with PACT_BROKER_TOKEN, or PACT_BROKER_USERNAME and PACT_BROKER_PASSWORD
  GITHUB_SHA, GITHUB_REF_NAME   commit and branch to publish for; by default git says them`;

type Gate = (terminal: Terminal) => Promise<readonly string[]>;

/**
 * Pact's core and the services are loaded only where they are needed: two gates are checks of `pnpm
 * verify`.
 */
const gates: Readonly<Record<string, Gate>> = {
  golden: vectorProblems,
  policy: policyProblems,
  pacts: async () => (await import("./pacts.ts")).pactProblems(),
  verify,
};

const commands: Readonly<Record<string, (context: CommandContext) => Promise<number>>> = {
  accept: async ({ terminal }) => {
    const added = await acceptVectors();
    await acceptPolicy();
    await (await import("./pacts.ts")).acceptPacts();
    terminal.line(`${added} golden vectors added; policy and pacts written`);
    // A vector that stays and no longer holds is a message that somebody still sends.
    return await hold(["golden"], terminal);
  },
  publish: async ({ env, terminal }) => {
    terminal.line(await publishPacts(env));
    return 0;
  },
};

await runCommand({
  help,
  allowWords: true,
  run: async (context) => {
    const { words, terminal } = context;
    const command = words.length === 1 ? commands[words[0] ?? ""] : undefined;
    if (command !== undefined) return await command(context);
    return await hold(words.length === 0 ? Object.keys(gates) : words, terminal);
  },
});

async function hold(names: readonly string[], terminal: Terminal): Promise<number> {
  const unknown = names.filter((name) => gates[name] === undefined);
  if (unknown.length > 0)
    throw new CommandError(`no gate is named ${unknown.join(", ")}; see --help`);
  let held = true;
  for (const name of names) {
    const problems = (await gates[name]?.(terminal)) ?? [];
    for (const problem of problems)
      terminal.line(`${terminal.styled("red", "✗")} ${name}: ${problem}`);
    if (problems.length === 0) terminal.line(`${terminal.styled("green", "✓")} ${name}`);
    held &&= problems.length === 0;
  }
  return held ? 0 : 1;
}

async function verify(terminal: Terminal): Promise<string[]> {
  const [{ providers, startServices }, { verifyProvider }] = await Promise.all([
    import("./services.ts"),
    import("./verify.ts"),
  ]);
  await using services = await startServices();
  const problems: string[] = [];
  for (const provider of providers) {
    const found = await verifyProvider(provider, services);
    if (found.length === 0)
      terminal.line(`${terminal.styled("green", "✓")} verify: ${provider} keeps its pacts`);
    problems.push(...found);
  }
  return problems;
}

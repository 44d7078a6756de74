import { type CommandContext, CommandError, runCommand, type Terminal } from "@tercet/cli";
import { acceptPolicy, policyProblems } from "./policy.ts";
import { publishPacts } from "./publish.ts";
import { acceptVectors, vectorProblems } from "./vectors.ts";

const help = `Usage: pnpm contracts [GATE]... | accept | publish

Compares the contracts with what is committed in packages/proof/contracts, and the services with
the contracts. Without arguments, runs every gate:

  golden    the wire form of every message, in binary and JSON: golden/
  policy    access to each method, and the rules for each request field: policy.yaml
  pacts     what consumers rely on, by their own code against Pact's server: pacts/
  verify    whether the running services keep the pacts

Commands:
  accept    writes new golden vectors, the policy and the pacts, to be committed; existing
            vectors stay
  publish   sends the pacts to a broker, if PACT_BROKER_BASE_URL is set and the branch is main

Variables:
  TEST_POSTGRES_URL      a server for the databases of "verify"; default: an embedded one
  PACT_BROKER_BASE_URL   with PACT_BROKER_TOKEN, or PACT_BROKER_USERNAME and
                         PACT_BROKER_PASSWORD
  GITHUB_SHA, GITHUB_REF_NAME   the commit and branch to publish for; default: git's`;

type Gate = (terminal: Terminal) => Promise<readonly string[]>;

/** Pact's core and the services are loaded late, since `pnpm verify` needs only two gates. */
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
    // An existing vector that no longer holds is a message that may still be sent.
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
    throw new CommandError(`there is no gate ${unknown.join(", ")}; see --help`);
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
  const { providers, startServices } = await import("./services.ts");
  const { verifyProvider } = await import("./verify.ts");
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

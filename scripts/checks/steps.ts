const TOPICS = [
  "contracts, orchestrator, participant, repository, Compose, persistence, identity, gateway",
  "gRPC metadata, saga, resilience, compensation, tests, Pact, CI, k6, tracing, logs, metrics",
  "Kubernetes",
].flatMap((line) => line.split(", "));

/** What each step says, in this order. */
const PARTS = ["Where", "Run", "See", "Why", "Instead", "Insight"];
/** One screen. */
const MAX_LINES = 42;

/**
 * Returns what is wrong with the form of docs/steps.md: one numbered step for each topic, each with
 * its parts and a command, on one screen.
 */
export function stepProblems(text: string): string[] {
  const steps = text.split(/^## /m).slice(1);
  const problems = TOPICS.flatMap((topic, index) => {
    const step = steps[index] ?? "";
    const title = `${index + 1}. `;
    if (!step.toLowerCase().startsWith(title + topic.toLowerCase()))
      return [`step ${title}${topic} is not where it belongs`];
    return problemsOf(step).map((problem) => `step ${title}${topic} ${problem}`);
  });
  if (steps.length > TOPICS.length) problems.push(`has more than ${TOPICS.length} steps`);
  return problems.map((problem) => `docs/steps.md: ${problem}`);
}

function problemsOf(step: string): string[] {
  const named = [...step.matchAll(/^\*\*(\w+)\*\*/gm)].map(([, part = ""]) => part);
  const lines = step.trimEnd().split("\n").length;
  return [
    ...(named.join() === PARTS.join() ? [] : [`has the parts ${named}, not ${PARTS}`]),
    ...(/^```sh$/m.test(step) ? [] : ["has no command"]),
    ...(lines <= MAX_LINES ? [] : [`has ${lines} lines: ${MAX_LINES} are one screen`]),
  ];
}

import {
  type CommandContext,
  CommandError,
  liveLine,
  numberOf,
  runCommand,
  temporaryFolder,
  terminalListener,
} from "@tercet/cli";
import { ANY_PORT, envToConfig, findRunning, MANY_CALLS, startStack } from "@tercet/stack";
import { requireK6 } from "./k6.ts";
import { runLoad } from "./load.ts";
import { keep, loadLine, loadTable } from "./report.ts";
import { isScenario, type ScenarioName, scenarios } from "./scenarios.ts";
import { type Target, targetOf } from "./target.ts";

const help = `Usage: pnpm load SCENARIO [options]

Runs a k6 script of perf/ on the whole system, shows its progress, and writes its summary and a
chart (rate, failures, p50, p95, p99 over time) to a folder.

Scenarios:
${Object.entries(scenarios)
  .map(
    ([name, { minutes, what }]) =>
      `  ${name.padEnd(8)} ${String(minutes).padStart(4)} min  ${what}`,
  )
  .join("\n")}

An order counts as a success only if it ends as intended: a declined card must be declined, an
order for a sold out product refunded. See docs/performance.md.
The exit code is 1 when a threshold is crossed.

The system is the one at --url, else the running stack, else one of its own at free ports, which
is removed afterwards. Elsewhere it leaves customers, orders, payments, and products whose SKU
begins with LOAD-.

Options:
  --minutes N       default: the scenario's own length; its stages are scaled to it
  --url URL         the edge or gateway of the system
  --any-latency     latencies are reported, and fail nothing: on a busy machine
  --out FOLDER      where SCENARIO.json and SCENARIO.svg are written; default reports/load

Variables, with --url:
  OPERATOR_EMAIL, OPERATOR_PASSWORD   of who stocks the products; default olivia@example.com
  IDENTITY_URL, PAYMENT_URL, ORDER_CLIENT_SECRET
                                      for grpc: their own addresses, and Order's secret at Identity
  EDGE_PORT, DATA_DIR and the others of pnpm start find the running stack; see pnpm start --help`;

await runCommand({
  help,
  allowWords: true,
  options: {
    minutes: { type: "string" },
    url: { type: "string" },
    "any-latency": { type: "boolean", default: false },
    out: { type: "string" },
  },
  run: async (context) => {
    const [scenario, ...more] = context.words;
    if (!isScenario(scenario) || more.length > 0)
      throw new CommandError(
        `a scenario is required: ${Object.keys(scenarios).join(", ")}; see --help`,
      );
    context.terminal.line(await requireK6(context.env));
    const target = await runningTarget(context);
    return target === undefined
      ? await onOwnStack(context, scenario)
      : await load(context, scenario, target);
  },
});

async function runningTarget({ env, values }: CommandContext): Promise<Target | undefined> {
  // The variables of the scripts are in the environment already.
  if (values["url"] !== undefined) return { EDGE_URL: String(values["url"]) };
  const running = await findRunning(envToConfig(env));
  return running && (await targetOf(running));
}

async function onOwnStack(context: CommandContext, scenario: ScenarioName): Promise<number> {
  const { env, terminal, signal } = context;
  await using cleanup = new AsyncDisposableStack();
  const folder = await temporaryFolder("load");
  let crossed = false;
  // Kept when a threshold was crossed, for its logs.
  cleanup.defer(async () => {
    if (!crossed) await folder[Symbol.asyncDispose]();
  });
  const config = envToConfig({ ...env, ...ANY_PORT, ...MANY_CALLS, DATA_DIR: folder.path });
  // Orders that are declined on purpose make the services warn.
  const stack = cleanup.use(
    await startStack(config, {
      listener: { ...terminalListener(terminal), notice: () => {} },
      signal,
    }),
  );
  const code = await load(context, scenario, await targetOf(stack));
  crossed = code !== 0;
  if (crossed) terminal.line(`databases and logs are kept in ${folder.path}`);
  return code;
}

async function load(
  context: CommandContext,
  scenario: ScenarioName,
  target: Target,
): Promise<number> {
  const { terminal, env, signal, values } = context;
  const { unit, minutes: own } = scenarios[scenario];
  const minutes = values["minutes"] === undefined ? own : numberOf(context, "minutes");
  const show = liveLine(context);
  terminal.line(
    `${scenario} on ${target.EDGE_URL}, ${minutes} min${unit === "order" ? "; first customers register and log in" : ""}`,
  );
  const result = await runLoad({
    scenario,
    target,
    minutes,
    judgeLatency: values["any-latency"] !== true,
    env,
    signal,
    onProgress: (progress) => show(loadLine(progress, minutes, unit)),
  });
  for (const line of loadTable(result, terminal)) terminal.line(line);
  terminal.line(`${await keep(result, values["out"] as string | undefined)}: .svg, .json`);
  return result.passed ? 0 : 1;
}

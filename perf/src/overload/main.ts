import { numberOf, runCommand, temporaryFolder } from "@tercet/cli";
import { ANY_PORT, envToConfig, startStack } from "@tercet/stack";
import { measureOverload } from "./overload.ts";
import { pin, processors } from "./processors.ts";
import { keep } from "./report.ts";

const help = `Usage: pnpm overload [--seconds N] [--outage N] [--short]

Offers a system of its own a tenth of what saturates it, the same, twice and ten times as much,
and shows what came of it: confirmed orders per second, p99 of confirmed orders and of refusals,
health probes that got no reply. Then stops Payment under full load, and measures how long after
its return 95% of the orders per second are confirmed again.

Run it on a machine that does nothing else, and compare ratios. On Linux with two processors or more
the load generator has one of them for itself, and the system the others; its lag and its share of
that processor are reported, and a step whose lag is over 10 ms is said to be invalid. Writes
reports/overload/overload.json and .svg.

Options:
  --seconds N   of each rate; default 10
  --outage N    seconds that Payment is stopped; default 30, 0 for none
  --short       3 s each, and no outage: shows that it runs, its figures mean little`;

const FACTORS = [1, 2, 10];

await runCommand({
  help,
  options: {
    seconds: { type: "string", default: "10" },
    outage: { type: "string", default: "30" },
    short: { type: "boolean", default: false },
  },
  run: async (context) => {
    const { terminal, signal, values, env } = context;
    const short = values["short"] === true;
    const all = processors();
    const processor = all.length < 2 ? undefined : all.at(-1);
    // The processes of the system inherit it.
    if (processor !== undefined) await pin(process.pid, all.slice(0, -1));
    await using data = await temporaryFolder("overload");
    const config = envToConfig({
      ...env,
      ...ANY_PORT,
      // The rates of single callers are not what is measured.
      CALLER_CALLS_PER_SECOND: "0",
      ADDRESS_CALLS_PER_SECOND: "0",
      DATA_DIR: data.path,
      LOG_LEVEL: "warn",
    });
    await using stack = await startStack(config, { signal });
    const overload = await measureOverload(stack, {
      seconds: short ? 3 : numberOf(context, "seconds"),
      outageSeconds: short || values["outage"] === "0" ? 0 : numberOf(context, "outage"),
      factors: FACTORS,
      processor,
      signal,
      onProgress: (line) => (terminal.live ? terminal.draw([line]) : terminal.line(line)),
    });
    for (const line of await keep(overload)) terminal.line(line);
    return 0;
  },
});

import { join } from "node:path";
import { CommandError, numberOf, runCommand, type Terminal } from "@tercet/cli";
import { envToConfig, placesOf, readSecrets } from "@tercet/stack";
import { type AuditReport, auditMoney } from "./audit.ts";
import { isUnavailable } from "./unavailable.ts";

const OPEN_FOR_S = 300;

const help = `Usage: pnpm audit:money [--open-for SECONDS]

Checks the invariants of orders and money on a system that runs or is at rest, and names
each order that violates one:

  I1  In each currency, the provider's net captured amount is what the confirmed orders cost,
      less what was refunded of them.
  I2  No order was charged twice, or refunded more than it was charged.
  I3  No order has been open for longer than allowed, and none lacks a refund for longer.
  I4  Each order has one request of its customer, and each request has its order.
  I5  Each charge belongs to an order or was refunded. A confirmed order has exactly one
      charge, of which was refunded what the order shows; any other order keeps no money,
      unless an operator settled it outside: those are listed.
      The databases of Order and Payment belong to one system.
  I6  Each saga's history is a legal path.
  I8  Orders, sagas and payments agree.

Reads the databases of Order and Payment and the provider's book; writes nothing.
Exits with 1 when an invariant is violated.

Options:
  --open-for SECONDS   report orders that have been open for longer; default ${OPEN_FOR_S}

Variables:
  ORDER_DATABASE_URL, PAYMENT_DATABASE_URL   default: the databases of pnpm start
  POSTGRES_PORT, DATA_DIR                    as for pnpm start; default 5433, .data
  PROVIDER_BOOK_DIR                          the provider's book; default: in DATA_DIR`;

await runCommand({
  help,
  options: { "open-for": { type: "string", default: String(OPEN_FOR_S) } },
  run: async (context) => {
    const options = { openForMs: numberOf(context, "open-for") * 1_000, signal: context.signal };
    const config = envToConfig(context.env);
    const secrets = await readSecrets(join(config.dataDir, "secrets.json"));
    // Without the file, the databases are given.
    const places = placesOf(config, secrets ?? { postgresPassword: "" });
    const report = await auditMoney(places, options).catch(unreachable);
    print(report, context.terminal);
    return report.broken.length + report.overdue.length > 0 ? 1 : 0;
  },
});

function unreachable(error: unknown): never {
  if (!isUnavailable(error)) throw error;
  throw new CommandError(
    `a database cannot be reached (${(error as Error).message}); is the system running? See --help`,
  );
}

function print(report: AuditReport, { line, styled }: Terminal): void {
  const total = Object.values(report.orders).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(report.orders).map(([status, count]) => `${count} ${status}`);
  line(`${total} orders${total === 0 ? "" : `: ${each.sort().join(", ")}`}`);
  for (const [currency, minorUnits] of report.netCaptured)
    line(`net captured by the provider: ${minorUnits} ${currency} (minor units)`);
  for (const sentence of [
    ...report.parked,
    ...report.refundedStrays,
    ...report.resolutions,
    ...report.unknownSagas,
  ])
    line(`${styled("yellow", "!")} ${sentence}`);
  const violations = [...report.broken, ...report.overdue];
  for (const sentence of violations) line(`${styled("red", "✗")} ${sentence}`);
  line(
    violations.length === 0
      ? `${styled("green", "✓")} every invariant holds`
      : `${violations.length} violations`,
  );
}

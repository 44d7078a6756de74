import { CommandError, runCommand, type Terminal } from "@tercet/cli";
import { isDatabaseUnavailable } from "@tercet/service";
import { envToConfig, placesOf } from "@tercet/stack";
import { type AuditReport, auditMoney } from "./audit.ts";

const OPEN_FOR_S = 300;

const help = `Usage: pnpm audit:money [--open-for SECONDS]

Checks the invariants of orders and money on a system that runs or is at rest, and names
each order that violates one:

  I1  In each currency, the provider's net captured amount is what the confirmed orders cost.
  I2  No order was charged twice, refunded twice, or refunded more than it was charged.
  I3  No order has been open for longer than allowed.
  I4  Each order has one request, and each request has its order.
  I5  Each charge belongs to an order or was refunded. A confirmed order has exactly one
      charge that was not refunded; any other order has none.
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
  run: async ({ env, terminal, signal, values }) => {
    const seconds = Number(values["open-for"]);
    if (!(seconds > 0))
      throw new CommandError("--open-for must be a number of seconds greater than 0");
    const report = await auditMoney(placesOf(envToConfig(env)), {
      openForMs: seconds * 1_000,
      signal,
    }).catch(unreachable);
    print(report, terminal);
    return report.broken.length + report.overdue.length > 0 ? 1 : 0;
  },
});

function unreachable(error: unknown): never {
  if (!isDatabaseUnavailable(error)) throw error;
  throw new CommandError(
    `a database cannot be reached (${(error as Error).message}); is the system running? See --help`,
  );
}

function print(
  { orders, netCaptured, broken, overdue, parked, refundedStrays }: AuditReport,
  terminal: Terminal,
): void {
  const total = Object.values(orders).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(orders).map(([status, count]) => `${count} ${status}`);
  terminal.line(`${total} orders${total === 0 ? "" : `: ${each.sort().join(", ")}`}`);
  for (const [currency, minorUnits] of netCaptured)
    terminal.line(`net captured by the provider: ${minorUnits} ${currency} (minor units)`);
  for (const sentence of [...parked, ...refundedStrays])
    terminal.line(`${terminal.styled("yellow", "!")} ${sentence}`);
  for (const sentence of [...broken, ...overdue])
    terminal.line(`${terminal.styled("red", "✗")} ${sentence}`);
  const { length } = [...broken, ...overdue];
  terminal.line(
    length === 0
      ? `${terminal.styled("green", "✓")} every invariant holds`
      : `${length} violations`,
  );
}

import { CommandError, runCommand, type Terminal } from "@tercet/cli";
import { isDatabaseUnavailable } from "@tercet/service";
import { envToConfig, placesOf } from "@tercet/stack";
import { type AuditReport, auditMoney } from "./audit.ts";

const OPEN_FOR_S = 300;

const help = `Usage: pnpm audit:money [--open-for SECONDS]

Checks what must hold of every order and every cent, on a running system or on one at rest, and names each order that breaks it:

  I1  the provider kept, to the cent and in each currency, what the confirmed orders cost
  I2  no order was charged twice, refunded twice, or refunded more than it was charged
  I3  no order has been under way for longer than it may be
  I4  each order was asked for by one request, and each request has its order
  I5  every charge belongs to an order, or was given back; a confirmed one has exactly one that was not given back, any other none
  I6  every order's history is a legal path
  I8  orders, sagas and payments agree

It reads the orders' and payments' databases and the provider's book, and writes nothing. The exit code is 1 when something is broken.

Options:
  --open-for SECONDS   how long an order may be under way before it is reported; ${OPEN_FOR_S} by default

Variables:
  ORDER_DATABASE_URL, PAYMENT_DATABASE_URL   by default those of pnpm start
  POSTGRES_PORT, DATA_DIR                    of pnpm start: 5433, .data beside package.json
  PROVIDER_BOOK_DIR                          the provider's book: by default in DATA_DIR`;

await runCommand({
  help,
  options: { "open-for": { type: "string", default: String(OPEN_FOR_S) } },
  run: async ({ env, terminal, signal, values }) => {
    const seconds = Number(values["open-for"]);
    if (!(seconds > 0)) throw new CommandError("--open-for is a number of seconds, more than 0");
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
    `a database cannot be reached (${(error as Error).message}): is the system running? See --help for where it is looked for`,
  );
}

function print(
  { orders, kept, broken, overdue, parked, givenBack }: AuditReport,
  terminal: Terminal,
): void {
  const total = Object.values(orders).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(orders).map(([status, count]) => `${count} ${status}`);
  terminal.line(`${total} orders${total === 0 ? "" : `: ${each.sort().join(", ")}`}`);
  for (const [currency, minorUnits] of kept)
    terminal.line(`the provider kept ${minorUnits} ${currency} (minor units)`);
  for (const sentence of [...parked, ...givenBack])
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

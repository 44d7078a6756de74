import { services } from "@tercet/cli";
import { databaseVariable, portVariable, serviceNames } from "./config.ts";

const VARIABLES = `Variables:
  EDGE_PORT, ${serviceNames.map(portVariable).join(", ")}, POSTGRES_PORT
      ports on 127.0.0.1; 0 for any free one; default: 8000, ${services.map(({ port }) => port).join(", ")}, 5433
  EDGE_GRPC_PORT, PAYMENT_GRPC_PORT
      second ports of the edge and of payment, as in production; default: 9080, 50051
  CORS_ORIGINS
      origins whose pages may call from a browser, separated by commas; default: localhost,
      127.0.0.1 and [::1] at any port ("http://localhost:*")
  DATA_DIR
      folder of the databases, logs, secrets and the provider's book; default: .data
  ${serviceNames.map(databaseVariable).join(", ")}
      databases to use instead of the embedded PostgreSQL: postgres://, for payments also mongodb://
  LOG_LEVEL, LOKI_URL, SAGA_LEASE_MS, ...
      every other setting in a service's config.ts, and OTEL_*, is passed to the service
  CONSOLE_TRACE_URL, CONSOLE_LOGS_URL
      addresses of an order's trace and logs, with {orderId} in them, to which the console links
  NO_COLOR
      plain text`;

export const startHelp = `Usage: pnpm start [--help]

Starts the whole system on this machine: an embedded PostgreSQL, the services (${serviceNames.join(", ")})
and the edge, which serves the console at /. Ctrl-C drains and stops it. The data is kept for the next start.

${VARIABLES}`;

export const devHelp = `Usage: pnpm dev [--help]

Like pnpm start; also generates what proto/ changes, compiles what you change, and restarts the
services that use it.

${VARIABLES}`;

export const demoHelp = `Usage: pnpm demo [--help]

Places orders with every outcome and prints the saga of each. Uses the stack that is running, or
starts one and stops it afterwards. Exits with 1 if an order had another outcome than expected.

${VARIABLES}`;

export const KEPT_BACKUPS = 7;

const DATABASE_VARIABLES = `Variables:
  ${serviceNames.map(databaseVariable).join(", ")}
      default: the databases of pnpm start
  POSTGRES_PORT, DATA_DIR
      as for pnpm start; default: 5433, .data`;

export const backupHelp = `Usage: pnpm backup [--to FOLDER] [--keep N]

Backs up the databases of ${serviceNames.join(", ")}, which may be in use: one compressed file each, with
everything as it was at one moment, readable by you alone. Passwords are not on a command line.

Options:
  --to FOLDER   where the files are written; default: DATA_DIR/backups
  --keep N      the older files of each service are deleted; default: ${KEPT_BACKUPS}

${DATABASE_VARIABLES}`;

export const restoreHelp = `Usage: pnpm restore [--from FOLDER] [FILE]...

Restores what pnpm backup wrote into new databases, before the services start: the FILEs, or the
latest of each service. A database with rows is refused; of pnpm start, move the folder
DATA_DIR/postgres away first. Then follow "Restore" in docs/runbook.md.

Options:
  --from FOLDER   where the files are; default: DATA_DIR/backups

${DATABASE_VARIABLES}`;

const VARIABLES = `Variables:
  EDGE_PORT, IDENTITY_PORT, ORDER_PORT, PAYMENT_PORT, POSTGRES_PORT
                             ports on 127.0.0.1: 8000, 5010, 5011, 5012, 5433; 0 for any free one
  DATA_DIR                   databases, logs, secrets and the provider's book: .data beside package.json
  IDENTITY_DATABASE_URL, ORDER_DATABASE_URL, PAYMENT_DATABASE_URL
                             databases to use instead of the embedded PostgreSQL (payments: postgres:// or mongodb://)
  LOG_LEVEL, ENVIRONMENT, LOKI_URL, OTEL_*, SAGA_*, PROVIDER_*, RECONCILE_*
                             passed on to the services
  NO_COLOR                   plain text`;

export const startHelp = `Usage: pnpm start [--help]

Starts the whole system on this machine: an embedded PostgreSQL, the identity, order and payment services, and the edge.
Ctrl-C drains and stops it. What it stored is there at the next start.

${VARIABLES}`;

export const devHelp = `Usage: pnpm dev [--help]

The same as pnpm start; besides, it compiles what you change and starts the services again that use it.

${VARIABLES}`;

export const demoHelp = `Usage: pnpm demo [--help]

Places orders of every outcome, and prints what each one's saga did. Uses the stack that runs, or starts one and stops it afterwards.
The exit code is 1 when an order ended otherwise than it should.

${VARIABLES}`;

export { withTimeout } from "./abort.ts";
export {
  type BackupRow,
  checkBackup,
  latestBackup,
  rowLines,
  writeBackup,
} from "./backup/backup-file.ts";
export { exportPostgres, restorePostgres } from "./backup/postgres-backup.ts";
export { runBackup, runRestore } from "./backup/run-backup.ts";
export {
  type CreateTransport,
  createServiceClient,
  type ServiceClientOptions,
} from "./client/client.ts";
export { onBehalfOf } from "./client/on-behalf-of.ts";
export { isNotCalled } from "./client/resilience.ts";
export { type ServiceTokenOptions, serviceToken } from "./client/service-token.ts";
export {
  ConfigError,
  type DatabaseConfig,
  type Env,
  integer,
  originList,
  parseEnv,
  readEnv,
  type ServiceConfig,
  StartError,
  serviceConfig,
  serviceEnv,
  unusableDatabase,
} from "./config.ts";
export {
  type CommonReason,
  type ErrorCodes,
  invalidField,
  notFound,
  ReasonError,
  RequestError,
  reasonOf,
  requestIdReused,
} from "./errors.ts";
export {
  type Failpoint,
  type Failpoints,
  failpointEnv,
  failpointNames,
  failpointsOnlyInTests,
  withFailpoints,
} from "./failpoints.ts";
export { accessOf, methodsWithoutAccess } from "./host/access.ts";
export { callerAddress, networkOf } from "./host/address.ts";
export { remoteKeys, type TokenKeys } from "./host/authenticate.ts";
export { CORRELATION_HEADER, correlationId, markReplayed, remainingMs } from "./host/call.ts";
export type { DependencyCheck, HealthReport } from "./host/health.ts";
export { createHttpHost, type HttpHost } from "./host/http-host.ts";
export { hardenedLimits, type TlsOptions } from "./host/one-port.ts";
export {
  type Principal,
  principal,
  type RoleName,
  roleName,
  visibleOwner,
} from "./host/principal.ts";
export { breakOff, type Refusal, refuse } from "./host/refusal.ts";
export {
  REVOCATIONS_TYPE,
  type RevocationList,
  type RevocationSource,
} from "./host/revocations.ts";
export { runDatabaseProgram, runMigration, runService } from "./host/run.ts";
export { openSecondPort, type SecondPort } from "./host/second-port.ts";
export { createService, type Service, type ServiceOptions } from "./host/service.ts";
export {
  findReplay,
  findRequest,
  fingerprint,
  type Once,
  once,
  REQUEST_RETENTION_MS,
  type RequestRecord,
  type RequestStore,
  sweepRequests,
  toRequest,
  useRequest,
  useRequests,
} from "./idempotency.ts";
export { type Money, type MoneyJson, moneyJson, toMoneyJson } from "./money.ts";
export { decodePageToken, encodePageToken, pageSize, toPage } from "./paging.ts";
export { migratePostgres, SchemaBehindError } from "./postgres/migrations.ts";
export {
  connectPostgres,
  type Fragment,
  firstOf,
  isDatabaseUnavailable,
  isRolledBack,
  milliseconds,
  openPostgres,
  pingPostgres,
  type Sql,
  violates,
} from "./postgres/postgres.ts";
export { ForeignDatabaseError, findSystem } from "./postgres/system.ts";
export { runSweeper } from "./sweeper.ts";
export { observeOperations } from "./telemetry/database-telemetry.ts";
export { createLogger, type Logger } from "./telemetry/log.ts";
export {
  type LogContext,
  logContext,
  noteLogContext,
  withLogContext,
} from "./telemetry/log-context.ts";
export { atDatabase, databaseUrl, httpUrl, postgresUrl } from "./urls.ts";

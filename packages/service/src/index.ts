export { withTimeout } from "./abort.ts";
export { accessOf, methodsWithoutAccess } from "./access.ts";
export { remoteKeys, type TokenKeys } from "./authenticate.ts";
export { CORRELATION_HEADER, forward, markReplayed, remainingMs } from "./call.ts";
export { type CreateTransport, createServiceClient, type ServiceClientOptions } from "./client.ts";
export { ConfigError, type Env, integer, parseEnv, readEnv, type ServiceConfig, serviceConfig, serviceEnv } from "./config.ts";
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
export { type Failpoints, failpointEnv, failpointNames, failpointsOnlyInTests, withFailpoints } from "./failpoints.ts";
export type { DependencyCheck, HealthReport } from "./health.ts";
export { createLogger, type Logger } from "./log.ts";
export { type LogContext, logContext, noteLogContext, withLogContext } from "./log-context.ts";
export { migratePostgres, prepareSchema, SchemaBehindError } from "./migrations.ts";
export {
  connectPostgres,
  isCheckViolation,
  isDatabaseUnavailable,
  isUniqueViolation,
  pingPostgres,
  type Sql,
} from "./postgres.ts";
export { type Principal, principal, type RoleName, roleName, visibleOwner } from "./principal.ts";
export { decodePageToken, encodePageToken, fingerprint, type Money, pageSize, toPage } from "./request.ts";
export { assertSameRequest, findRequest, type RequestRecord, requests, useRequest } from "./requests.ts";
export { runMigration, runService } from "./run.ts";
export { createService, type Service, type ServiceOptions } from "./service.ts";
export { type ServiceTokenOptions, serviceToken } from "./service-token.ts";

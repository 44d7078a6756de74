import { observeOperations } from "@tercet/service";
import type { MongoClient } from "mongodb";

/**
 * Records each command of a client that monitors its commands. By hand, because the official
 * instrumentation (@opentelemetry/instrumentation-mongodb 0.77, November 2026) counts connections
 * but does not record `db.client.operation.duration`, which the dashboards need.
 */
export function observeMongo(client: MongoClient): void {
  const start = observeOperations("@tercet/payment", "A command");
  const running = new Map<number, (errorType?: string) => void>();
  client.on("commandStarted", ({ requestId, databaseName, commandName, command }) => {
    const collection: unknown = command[commandName];
    const name = typeof collection === "string" ? `${commandName} ${collection}` : commandName;
    const attributes = {
      "db.system.name": "mongodb",
      "db.namespace": databaseName,
      "db.operation.name": commandName,
    };
    running.set(requestId, start(name, attributes));
  });
  const end = (requestId: number, errorType?: string) => {
    running.get(requestId)?.(errorType);
    running.delete(requestId);
  };
  client.on("commandSucceeded", ({ requestId }) => end(requestId));
  client.on("commandFailed", ({ requestId, failure }) => end(requestId, codeOf(failure)));
}

/** Returns the server's error code, or the name of the driver's error. */
function codeOf(failure: Error): string {
  const { code } = failure as { code?: unknown };
  return typeof code === "number" || typeof code === "string" ? String(code) : failure.name;
}

import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { ServiceConfig } from "../config.ts";
import { RequestError, reasonToConnectError } from "../errors.ts";
import { flushLog, type Logger } from "../telemetry/log.ts";
import type { HealthMonitor } from "./health.ts";
import type { OnePort } from "./one-port.ts";

export interface DrainOptions {
  readonly config: Pick<ServiceConfig, "drainDelayMs" | "drainTimeoutMs">;
  readonly log: Logger;
  /** Stops listening; resolves when the last connection has closed. */
  readonly close: () => Promise<void>;
  readonly port: OnePort;
  readonly monitor: HealthMonitor;
  /** Ends the calls that are still in flight. */
  readonly shutdown: AbortController;
  readonly onDrain?: (force: AbortSignal) => Promise<void>;
  readonly onClose?: () => Promise<void>;
}

/** The time for calls that the drain ended to reach their callers, and for stores to close. */
const FLUSH_MS = 500;
/** The time for background work to stop after `force` has aborted. */
const HANDOVER_MS = 1_000;

/** Ends a service within `drainTimeoutMs`, and about a second if its calls used all of that. */
export async function drain(options: DrainOptions): Promise<void> {
  const { close, config, log, monitor, port, shutdown } = options;
  log.info("draining");
  monitor.stop();
  port.retire();
  await sleep(config.drainDelayMs);
  const deadline = performance.now() + config.drainTimeoutMs;
  const shutdownError = reasonToConnectError(
    new RequestError("UNAVAILABLE", "the service is shutting down; try again"),
    Code.Unavailable,
  );
  const timers = [
    setTimeout(() => shutdown.abort(shutdownError), config.drainTimeoutMs),
    // A peer that does not read must not keep the process alive.
    setTimeout(() => port.destroy(), config.drainTimeoutMs + FLUSH_MS),
  ];
  port.drain();
  // Closing the server closes idle connections. First read what has arrived on them, so that a
  // connection with a new request does not count as idle.
  await setImmediate();
  await close();
  timers.forEach(clearTimeout);
  await handOver(options, deadline - performance.now());
  log.info("stopped");
  await flushLog(log);
}

/**
 * Ends background work when the drain's time is over, or soon after if the calls used it up. What
 * the work waits for, a silent database for instance, must not keep the process alive. Cutting it
 * off here leaves the same state as a crash.
 */
async function handOver({ onDrain, onClose, log }: DrainOptions, leftMs: number): Promise<void> {
  const cutOffMs = Math.max(leftMs - FLUSH_MS, HANDOVER_MS);
  const force = new AbortController();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cutOff = () => {
    log.warn("background work did not end in time and is cut off");
    resolve();
  };
  const timers = [
    setTimeout(() => force.abort(), cutOffMs - HANDOVER_MS),
    setTimeout(cutOff, cutOffMs),
  ];
  try {
    await Promise.race([onDrain?.(force.signal), over]);
  } finally {
    await Promise.race([onClose?.(), over.then(() => sleep(FLUSH_MS))]);
    timers.forEach(clearTimeout);
  }
}

import { type BatchObservableCallback, metrics } from "@opentelemetry/api";
import type { AnySaga } from "../definition.ts";
import type { SagaEngine } from "../engine.ts";
import type { SagaSql } from "../moves.ts";
import { countSagas } from "../queries.ts";
import { SCOPE } from "./scope.ts";

/**
 * Registers gauges of all sagas in the database, read at each collection; without an SDK nothing is
 * read. Every replica reports the same numbers: take the maximum over them, not the sum, except of
 * `in_flight`. Dispose of it to remove the gauges.
 */
export function observeSagas(
  sql: SagaSql,
  definitions: readonly AnySaga[],
  engine: Pick<SagaEngine, "inFlight">,
): Disposable {
  const meter = metrics.getMeter(SCOPE);
  const gauge = (name: string, description: string, unit = "{saga}") =>
    meter.createObservableGauge(`tercet.saga.${name}`, { unit, description });
  const parked = gauge(
    "parked",
    "Sagas that wait for an operator, by saga.kind; anything but 0 is an alert",
  );
  const unknownVersion = gauge(
    "unknown_version",
    "Open sagas that this process leaves alone: it does not know their kind, version or step",
  );
  const open = gauge("open", "Sagas that have not ended");
  const oldest = gauge("oldest_open.age", "Age of the oldest open saga", "s");
  const inFlight = gauge("in_flight", "Sagas that this process works on; sum over all processes");
  const gauges = [parked, unknownVersion, open, oldest, inFlight];
  const observe: BatchObservableCallback = async (result) => {
    result.observe(inFlight, engine.inFlight);
    const counts = await countSagas(sql, definitions);
    // Every known kind, also at 0, so that an alert ends when the last parked saga is gone.
    const kinds = new Set([...definitions.map(({ kind }) => kind), ...Object.keys(counts.parked)]);
    for (const kind of kinds)
      result.observe(parked, counts.parked[kind] ?? 0, { "saga.kind": kind });
    result.observe(unknownVersion, counts.unknownVersion);
    result.observe(open, counts.open);
    result.observe(oldest, counts.oldestOpenAgeSeconds);
  };
  meter.addBatchObservableCallback(observe, gauges);
  return { [Symbol.dispose]: () => meter.removeBatchObservableCallback(observe, gauges) };
}

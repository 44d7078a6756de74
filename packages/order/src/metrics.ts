import { metrics } from "@opentelemetry/api";
import type { SagaDefinition, SagaEngine } from "@tercet/saga";
import type { Sql } from "@tercet/service";
import { countSagas } from "./saga-store.ts";

/**
 * How the sagas stand, read from the database whenever somebody collects; without an SDK nobody
 * does. All replicas tell the same: take the maximum over them, not the sum. Disposing of it ends
 * it.
 */
export function observeSagas(
  sql: Sql,
  definitions: readonly Pick<SagaDefinition, "kind" | "version">[],
  engine: Pick<SagaEngine, "inFlight">,
): Disposable {
  const meter = metrics.getMeter("@tercet/order");
  const parked = meter.createObservableGauge("tercet.saga.parked", {
    unit: "{saga}",
    description: "Sagas that wait for an operator, by saga.kind; anything but 0 is an alert",
  });
  const unknownVersion = meter.createObservableGauge("tercet.saga.unknown_version", {
    unit: "{saga}",
    description:
      "Open sagas that this process leaves alone, because it does not know their kind or version",
  });
  const open = meter.createObservableGauge("tercet.saga.open", {
    unit: "{saga}",
    description: "Sagas that are on their way",
  });
  const oldest = meter.createObservableGauge("tercet.saga.oldest_open.age", {
    unit: "s",
    description: "Age of the oldest open saga",
  });
  const inFlight = meter.createObservableGauge("tercet.saga.in_flight", {
    unit: "{saga}",
    description: "Sagas that this process works on; to be summed over all",
  });
  const gauges = [parked, unknownVersion, open, oldest, inFlight];
  const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = async (result) => {
    result.observe(inFlight, engine.inFlight);
    const counts = await countSagas(sql, definitions);
    // Of every kind there is, so that an alert ends when the last one is gone.
    const kinds = new Set([...definitions.map(({ kind }) => kind), ...Object.keys(counts.parked)]);
    for (const kind of kinds)
      result.observe(parked, counts.parked[kind] ?? 0, { "saga.kind": kind });
    result.observe(unknownVersion, counts.unknownVersion);
    result.observe(open, counts.open);
    result.observe(oldest, counts.oldestOpenAge);
  };
  meter.addBatchObservableCallback(observe, gauges);
  return { [Symbol.dispose]: () => meter.removeBatchObservableCallback(observe, gauges) };
}

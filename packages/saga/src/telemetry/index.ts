export { type EventOptions, type SagaLogger, sagaEvents } from "./events.ts";
export { observeSagas } from "./gauges.ts";
export { sagaTracer, type TracerOptions } from "./tracer.ts";

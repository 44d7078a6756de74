import { inject } from "vitest";

/** A limit of time in milliseconds, for the load of this machine. */
export const patient = (ms: number): number => ms * inject("timeFactor");

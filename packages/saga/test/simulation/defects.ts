/**
 * Known mistakes in a saga, put back in on purpose: a simulator that does not notice them is blind.
 */
export const DEFECTS = [
  "undo registered after the step",
  "missing fence",
  "take-over keeps the fence",
  "charge without key",
  "lost tombstone",
  "refund marked done before the money moved",
  "order written without its saga",
  "refund without key",
  "stock returned without its saga",
] as const;

export type Defect = (typeof DEFECTS)[number];

/** Known mistakes that the simulator can make on purpose, to show that it detects them. */
export const DEFECTS = [
  "undo registered after the step",
  "missing fence",
  "take-over keeps the fence",
  "taking back keeps the fence",
  "charge without key",
  "lost tombstone",
  "refund marked done before the money moved",
  "order written without its saga",
  "refund without key",
  "stock returned without its saga",
  "stock kept by a resolution",
  "stock refused for the neighbours' sake",
] as const;

export type Defect = (typeof DEFECTS)[number];

/** Invariants by their names in `docs/faults.md`. */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I6" | "I7" | "I8" | "I9" | "I12" | "stock";

export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

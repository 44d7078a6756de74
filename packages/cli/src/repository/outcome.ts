/** The result of a check. */
export type Outcome =
  | { kind: "passed" }
  | { kind: "failed"; output: string }
  | { kind: "skipped"; reason: string };

export interface Check {
  /** Its name for `--only`. */
  readonly name: string;
  readonly what: string;
  /** The tools without which it is skipped. */
  readonly needs: readonly string[];
  readonly run: () => Promise<Outcome>;
}

export const passed: Outcome = { kind: "passed" };

export function failedWith(problems: readonly string[]): Outcome {
  return problems.length === 0 ? passed : { kind: "failed", output: problems.join("\n") };
}

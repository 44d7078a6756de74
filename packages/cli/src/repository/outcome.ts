/** What a check found. `output` and `reason` are for people. */
export type Outcome =
  | { kind: "passed" }
  | { kind: "failed"; output: string }
  | { kind: "skipped"; reason: string };

export interface Check {
  /** What `--only` names it by. */
  readonly name: string;
  readonly what: string;
  readonly run: () => Promise<Outcome>;
}

export const passed: Outcome = { kind: "passed" };

export function failedWith(problems: readonly string[]): Outcome {
  return problems.length === 0 ? passed : { kind: "failed", output: problems.join("\n") };
}

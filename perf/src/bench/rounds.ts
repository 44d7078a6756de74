import { inTurn } from "./compare.ts";

export interface BenchOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  /** For systems that a benchmark starts. */
  readonly dataDir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** Yields the candidates in the order of a round, and reports each. Round 0 is the warm-up. */
export function* turns<C extends { readonly variant: string }>(
  candidates: readonly C[],
  round: number,
  { rounds, signal, onProgress }: BenchOptions,
  what = "",
): Generator<C> {
  const time = round === 0 ? "warming up" : `round ${round} of ${rounds}`;
  for (const candidate of inTurn(candidates, round)) {
    signal.throwIfAborted();
    onProgress([time, what, candidate.variant].filter((part) => part !== "").join(", "));
    yield candidate;
  }
}

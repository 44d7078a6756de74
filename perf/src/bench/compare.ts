import { quantile } from "@tercet/cli";

/** A figure, its ratio to that of the first variant, and how sure that is. */
export interface Compared {
  readonly value: number;
  readonly ratio: number;
  readonly from: number;
  readonly to: number;
}

const RESAMPLES = 500;

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * Medians over the rounds, of the figures and of the ratios within a round, which a machine that
 * slows down leaves alone; half of the rounds lie between `from` and `to`.
 */
export function compare<T>(
  rounds: readonly T[],
  base: readonly T[],
  figure: (measured: T) => number,
): Compared {
  const ratios = rounds.map((measured, round) => figure(measured) / figure(base[round] as T));
  return {
    value: median(rounds.map(figure)),
    ratio: median(ratios),
    from: quantile(ratios, 0.25),
    to: quantile(ratios, 0.75),
  };
}

/**
 * Percentiles of the rounds taken together, for a tail: of a single round it rests on a few
 * samples. `from` and `to` hold nine of ten ratios when the rounds are drawn again with replacement
 * (bootstrap percentile interval, Efron 1979), of both variants the same ones.
 */
export function comparePercentile(
  rounds: readonly (readonly number[])[],
  base: readonly (readonly number[])[],
  share: number,
): Compared {
  const indexes = rounds.map((_, index) => index);
  const percentile = (of: readonly (readonly number[])[], chosen: readonly number[]) =>
    quantile(
      chosen.flatMap((index) => of[index] ?? []),
      share,
    );
  const ratio = (chosen: readonly number[]) =>
    percentile(rounds, chosen) / percentile(base, chosen);
  const drawn = Array.from({ length: RESAMPLES }, () =>
    ratio(indexes.map(() => Math.floor(Math.random() * indexes.length))),
  );
  return {
    value: percentile(rounds, indexes),
    ratio: ratio(indexes),
    from: quantile(drawn, 0.05),
    to: quantile(drawn, 0.95),
  };
}

/** Each round begins with another one, so that none always comes after the same. */
export const inTurn = <T>(items: readonly T[], round: number): T[] =>
  items.map((_, index) => items[(index + round) % items.length] as T);

import { quantile } from "@tercet/cli";

/** A figure, its ratio to that of the first variant, and an interval of that ratio. */
export interface Compared {
  readonly value: number;
  readonly ratio: number;
  readonly from: number;
  readonly to: number;
}

const RESAMPLES = 500;

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * Returns medians over the rounds of the figures and of the ratios within a round, which do not
 * change when the machine becomes slower. `from` and `to` are the quartiles of the ratios.
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

/** Compares the rounds of each variant with those of the first, by several figures. */
export function compareAll<T>(
  variants: Readonly<Record<string, readonly T[]>>,
  figures: Readonly<Record<string, (measured: T) => number>>,
): Readonly<Record<string, Readonly<Record<string, Compared>>>> {
  const [base = []] = Object.values(variants);
  return mapValues(variants, (rounds) =>
    mapValues(figures, (figure) => compare(rounds, base, figure)),
  );
}

const mapValues = <T, U>(values: Readonly<Record<string, T>>, of: (value: T) => U) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, of(value)]));

/** The samples of each round. */
type Samples = readonly (readonly number[])[];

/**
 * Returns percentiles of all rounds together, for a tail, of which a single round has few samples.
 * `from` to `to` is the 90% bootstrap percentile interval of the ratio (Efron 1979), with the same
 * rounds drawn for both variants.
 */
export function comparePercentile(rounds: Samples, base: Samples, share: number): Compared {
  const indexes = [...rounds.keys()];
  const percentile = (of: Samples, chosen: readonly number[]) =>
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

/** Rotates the items, so that none always comes after the same other. */
export const inTurn = <T>(items: readonly T[], round: number): T[] =>
  items.map((_, index) => items[(index + round) % items.length] as T);

import { quantile } from "@tercet/stack";

/** A figure, its ratio to that of the first variant in the same round, and between which ratios half of the rounds lie. */
export interface Compared {
  readonly value: number;
  readonly ratio: number;
  readonly from: number;
  readonly to: number;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Medians over the rounds, of the figures and of the ratios within a round, which a machine that slows down leaves alone. */
export function compare<T>(rounds: readonly T[], base: readonly T[], figure: (measured: T) => number): Compared {
  const ratios = rounds.map((measured, round) => figure(measured) / figure(base[round] as T));
  return { value: median(rounds.map(figure)), ratio: median(ratios), from: quantile(ratios, 0.25), to: quantile(ratios, 0.75) };
}

/** Each round begins with another one, so that none always comes after the same. */
export const inTurn = <T>(items: readonly T[], round: number): T[] => items.map((_, index) => items[(index + round) % items.length] as T);

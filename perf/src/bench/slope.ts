import { quantile } from "@tercet/cli";

/** A value at a time. */
export interface Sample {
  readonly hours: number;
  readonly value: number;
}

/** By how much a value grows in an hour, with the 90% interval of that. */
export interface Slope {
  readonly value: number;
  readonly from: number;
  readonly to: number;
}

const RESAMPLES = 500;
/** Neighboring samples are alike: drawn together, they make no interval that is too narrow. */
const BLOCKS = 10;

/**
 * The median of the slopes between any two samples (Theil 1950, Sen 1968), which outliers do not
 * move, with the interval of a bootstrap of blocks (Kunsch 1989): the residuals of the line are
 * drawn again, in blocks, and added to it.
 */
export function slope(samples: readonly Sample[]): Slope {
  const value = theilSen(samples);
  const length = Math.max(1, Math.floor(samples.length / BLOCKS));
  const residuals = samples.map((sample) => sample.value - value * sample.hours);
  const drawn = Array.from({ length: RESAMPLES }, () => {
    const noise = Array.from({ length: Math.ceil(samples.length / length) }, () => {
      const start = Math.floor(Math.random() * (samples.length - length + 1));
      return residuals.slice(start, start + length);
    }).flat();
    return theilSen(
      samples.map(({ hours }, index) => ({ hours, value: value * hours + (noise[index] ?? 0) })),
    );
  });
  return { value, from: quantile(drawn, 0.05), to: quantile(drawn, 0.95) };
}

const theilSen = (samples: readonly Sample[]): number =>
  quantile(
    samples.flatMap((a, index) =>
      samples.slice(index + 1).map((b) => (b.value - a.value) / (b.hours - a.hours)),
    ),
    0.5,
  );

export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The value that this share of all lies at or below, by nearest rank; 0 when there are none. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? 0;

/** Rounded; all 0 when there are no values. */
export function distribution(values: readonly number[]): Distribution {
  const at = (share: number) => Math.round(quantile(values, share));
  return { count: values.length, min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) };
}

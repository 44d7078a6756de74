/** A fifth more or less: what began at once must not end at once. */
export const jittered = (ms: number): number => ms * (0.8 + 0.4 * Math.random());

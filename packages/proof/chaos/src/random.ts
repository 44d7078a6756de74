/** In [0, 1), as Math.random is. */
export type Random = () => number;

/** Chance that repeats itself: mulberry32 (Tommy Ettinger, public domain). */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of them; throws when there is none. */
export function pick<T>(values: readonly T[], random: Random): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new RangeError("there is nothing to pick from");
  return value;
}

/** A number of this range. */
export const between = (min: number, max: number, random: Random): number =>
  min + random() * (max - min);

/** One of them, heavier ones more often. */
export function weighted<T>(choices: readonly (readonly [T, number])[], random: Random): T {
  let left = random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  throw new RangeError("there is nothing to choose from");
}

/** A seed that a person can type. */
export const freshSeed = (): number => 1 + Math.floor(Math.random() * 999_999);

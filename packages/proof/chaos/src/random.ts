import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Returns a number in [0, 1), like Math.random. */
export type Random = () => number;

/** Returns a generator that repeats itself for the same seed. */
export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return () => (generator.next() >>> 0) / 2 ** 32;
}

/** Returns one of the values. Throws RangeError when there is none. */
export function pick<T>(values: readonly T[], random: Random): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new RangeError("there is nothing to pick from");
  return value;
}

export const between = (min: number, max: number, random: Random): number =>
  min + random() * (max - min);

/** Returns one of the choices, each with a probability in proportion to its weight. */
export function weighted<T>(choices: readonly (readonly [T, number])[], random: Random): T {
  let left = random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  throw new RangeError("there is nothing to choose from");
}

/** Returns a seed that is short enough to type. */
export const freshSeed = (): number => 1 + Math.floor(Math.random() * 999_999);

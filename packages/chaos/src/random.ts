/** The same numbers for the same seed: what happened in a run can be made to happen again, as far as two processes allow. */
export interface Random {
  /** From 0 up to 1. */
  next(): number;
  /** A number of this range. */
  between(min: number, max: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** One of the choices; heavier ones more often. */
  weighted<T>(choices: readonly (readonly [T, number])[]): T;
}

/** mulberry32, by Tommy Ettinger: 32 bits of state are plenty for choosing victims. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (min, max) => min + next() * (max - min),
    pick: (choices) => choices[Math.floor(next() * choices.length)] ?? choices[0],
    weighted: (choices) => {
      let left = next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [choice, weight] of choices) {
        left -= weight;
        if (left < 0) return choice;
      }
      throw new RangeError("there is nothing to choose from");
    },
  };
}

import { useSyncExternalStore } from "react";

/** What the customer wants to buy: pieces by SKU. In memory, of this tab. */
export type Basket = ReadonlyMap<string, number>;

const MAX_PIECES = 1_000;

let basket: Basket = new Map();
const listeners = new Set<() => void>();

export function setPieces(sku: string, pieces: number): void {
  const next = new Map(basket);
  if (pieces <= 0) next.delete(sku);
  else next.set(sku, Math.min(pieces, MAX_PIECES));
  change(next);
}

export const emptyBasket = (): void => change(new Map());

function change(next: Basket): void {
  basket = next;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export const useBasket = (): Basket => useSyncExternalStore(subscribe, () => basket);

/** Deletes at most `batch` of the entries that are stale, and answers how many. */
export function deleteStale<Key, Value>(
  entries: Map<Key, Value>,
  batch: number,
  isStale: (value: Value) => boolean,
): number {
  const stale = [...entries].filter(([, value]) => isStale(value)).slice(0, batch);
  for (const [key] of stale) entries.delete(key);
  return stale.length;
}

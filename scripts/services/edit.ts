import { isMap, isScalar, parseDocument } from "yaml";

/** Returns the text with lines inserted after the last line that contains one of the anchors. */
export function afterLine(text: string, anchors: readonly string[], added: string): string {
  const lines = text.split("\n");
  const index = lines.findLastIndex((line) => anchors.some((anchor) => line.includes(anchor)));
  if (index < 0) throw new Error(`there is no line with ${anchors.join(" or ")}`);
  return [...lines.slice(0, index + 1), added, ...lines.slice(index + 1)].join("\n");
}

/**
 * Returns the YAML text with a block inserted after the block of a key. By lines and not by writing
 * the parsed document: comments and layout of the rest stay as they are.
 */
export function afterBlock(text: string, path: readonly string[], added: string): string {
  const start = offsetOf(text, path);
  const lines = text.split("\n");
  const first = text.slice(0, start).split("\n").length - 1;
  const depth = indentOf(lines[first] ?? "");
  let last = first;
  for (let index = first + 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (line.trim() === "") continue;
    if (indentOf(line) <= depth) break;
    last = index;
  }
  return [...lines.slice(0, last + 1), added, ...lines.slice(last + 1)].join("\n");
}

const indentOf = (line: string): number => line.length - line.trimStart().length;

/** Returns where the key at the end of the path begins. */
function offsetOf(text: string, path: readonly string[]): number {
  const parent = parseDocument(text, { merge: true }).getIn(path.slice(0, -1), true);
  const map = path.length === 1 ? parseDocument(text).contents : parent;
  const pair = isMap(map)
    ? map.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
    : undefined;
  if (pair === undefined || !isScalar(pair.key)) throw new Error(`there is no ${path.join(".")}`);
  return pair.key.range?.[0] ?? 0;
}

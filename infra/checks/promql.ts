const WORDS = new Set(["and", "or", "unless", "bool", "offset", "inf", "nan"]);
/** What names labels, not metrics. */
const LABEL_LISTS = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g;
const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;
const COMMENTS = /#.*$/gm;
const SELECTORS = /\{[^}]*\}|\[[^\]]*\]/g;
/** A name that is not a function, nor an aggregation, whose list of labels is gone by now. */
const NAMES = /(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g;

/** The metrics that a query reads, with the endings of histograms. */
export function metricsIn(query: string): string[] {
  const bare = [STRINGS, COMMENTS, SELECTORS, LABEL_LISTS].reduce(
    (text, pattern) => text.replace(pattern, " "),
    query,
  );
  return [...new Set(bare.match(NAMES) ?? [])].filter((name) => !WORDS.has(name.toLowerCase()));
}

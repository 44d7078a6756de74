export interface Reason {
  readonly reason: string;
  readonly code: string;
  readonly when: string;
}

/** "Reasons:" of a comment: "- NAME (code; metadata `a`, `b`): when". */
export function splitReasons(comment: string): { text: string; reasons: Reason[] } {
  const unwrapped = comment.replace(/\n {1,3}(?=\S)/g, "\n");
  const [text = "", list = ""] = unwrapped.split(/\n*Reasons:\n/);
  const items = list.split(/^- /m).map((item) => item.replace(/\s+/g, " ").trim());
  const reasons = items.flatMap((item) => {
    const [, reason, code, when = ""] =
      /^([A-Z][A-Z_]+) \(([a-z_]+)[^)]*\):?\s*(.*)$/.exec(item) ?? [];
    return reason === undefined || code === undefined ? [] : [{ reason, code, when }];
  });
  return { text: text.trim(), reasons };
}

/** Parses the subset of a Dockerfile that ours uses, and throws for anything else. */
export interface Instruction {
  readonly keyword: string;
  /** "--mount=type=cache,target=/x" is { mount: "type=cache,target=/x" }. */
  readonly flags: Readonly<Record<string, string>>;
  /** Everything after the keyword and its flags, continued lines joined. */
  readonly rest: string;
}

export interface Stage {
  readonly from: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

const KEYWORDS = new Set([
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "LABEL",
  "RUN",
  "USER",
  "WORKDIR",
]);

export function parseDockerfile(text: string): Stage[] {
  const stages: { from: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of logicalLines(text)) {
    const { keyword, flags, rest } = parseLine(line);
    if (keyword === "FROM") {
      const [from = "", , name] = rest.split(/\s+/);
      stages.push({ from, name, instructions: [] });
    } else if (KEYWORDS.has(keyword) && stages.length > 0)
      stages.at(-1)?.instructions.push({ keyword, flags, rest });
    else throw new Error(`Dockerfile: cannot interpret "${line}"`);
  }
  return stages;
}

function logicalLines(text: string): string[] {
  const lines = text.split("\n").filter((line) => !/^\s*(#|$)/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
}

function parseLine(line: string): Instruction {
  const [, keyword = "", after = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
  const flags: Record<string, string> = {};
  let rest = after;
  for (
    let flag = /^--([\w-]+)=(\S+)\s+/.exec(rest);
    flag !== null;
    flag = /^--([\w-]+)=(\S+)\s+/.exec(rest)
  ) {
    flags[flag[1] ?? ""] = flag[2] ?? "";
    rest = rest.slice(flag[0].length);
  }
  return { keyword: keyword.toUpperCase(), flags, rest };
}

/** `["a", "b"]`; undefined for the form that a shell reads. */
export function execForm(rest: string): string[] | undefined {
  try {
    return JSON.parse(rest) as string[];
  } catch {
    return undefined;
  }
}

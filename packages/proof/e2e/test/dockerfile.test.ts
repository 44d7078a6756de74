import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { CONSOLE_DOCKERFILE, DOCKERFILE } from "@tercet/cluster";
import { describe, expect, test } from "vitest";
import { execForm, parseDockerfile, type Stage } from "./docker/dockerfile.ts";

const text = await readFile(join(ROOT, DOCKERFILE), "utf8");
const consoleText = await readFile(join(ROOT, CONSOLE_DOCKERFILE), "utf8");
const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
  packageManager: string;
};
const BASE = /^node:(\d+\.\d+\.\d+)-bookworm-slim@sha256:[0-9a-f]{64}$/;

/** Rules that hadolint does not have. The last stage may begin from nothing. */
function problems(all: readonly Stage[]): string[] {
  const stages = all.filter(({ from }, index) => from !== "scratch" || index + 1 < all.length);
  return [...baseProblems(stages), ...imageProblems(all)];
}

const baseProblems = (stages: readonly Stage[]): string[] => [
  ...stages.flatMap(({ from }) =>
    BASE.exec(from)?.[1] === process.versions.node
      ? []
      : [`${from} is not the pinned Node ${process.versions.node}`],
  ),
  ...(new Set(stages.map(({ from }) => from)).size === 1
    ? []
    : ["the stages have different bases"]),
];

function imageProblems(stages: readonly Stage[]): string[] {
  const last = stages.at(-1);
  const all = stages.flatMap(({ instructions }) => instructions);
  const of = (keyword: string) =>
    last?.instructions.filter((one) => one.keyword === keyword).map(({ rest }) => rest) ?? [];
  const [user = ""] = of("USER");
  const pnpm = all
    .find(({ rest }) => rest.startsWith("npm install --global "))
    ?.rest.split(" ")
    .at(-1);
  return [
    ...(pnpm === manifest.packageManager ? [] : [`${pnpm} is not ${manifest.packageManager}`]),
    ...(/^[1-9]\d{4,}:[1-9]\d{4,}$/.test(user)
      ? []
      : [`USER ${user} is not a number that no account of a host has`]),
    ...[...of("ENTRYPOINT"), ...of("CMD")].flatMap((rest) =>
      execForm(rest) === undefined ? [`${rest} would be process 1's child`] : [],
    ),
    ...(last?.instructions.some(({ keyword, rest }) => keyword === "COPY" && /^\.\s/.test(rest))
      ? ["the image has all of the context"]
      : []),
    ...all.flatMap(({ rest }) =>
      /\bpnpm install\b/.test(rest) && !rest.includes(" --ignore-scripts")
        ? ["scripts of packages are run by the install"]
        : [],
    ),
    ...all.flatMap(({ rest }) =>
      /secret|password|token/i.test(rest) ? [`a secret in a layer: ${rest}`] : [],
    ),
  ];
}

describe("infra/docker/Dockerfile", () => {
  test("pins what the repository pins, and runs as an account of no host", () => {
    const stages = parseDockerfile(text);
    expect(stages).toHaveLength(2);
    expect(problems(stages)).toEqual([]);
  });

  test.each([
    ["another Node", /node:[\d.]+-/g, "node:24.0.0-", "is not the pinned Node"],
    ["a base without a digest", /@sha256:\w+/g, "", "is not the pinned Node"],
    ["a moving base", /node:\S+ AS/, "node:latest AS", "different bases"],
    ["scripts", / --ignore-scripts/, "", "scripts of packages are run by the install"],
    ["another pnpm", /pnpm@[\d.]+/, "pnpm@latest", "pnpm@latest is not pnpm@"],
    ["root", "USER 10001:10001", "USER 0:0", "USER 0:0 is not"],
    ["a name", "USER 10001:10001", "USER node", "USER node is not"],
    ["no user", "USER 10001:10001", "", "USER  is not"],
    [
      "a shell",
      /^CMD .*$/m,
      "CMD node dist/main.js",
      "node dist/main.js would be process 1's child",
    ],
    ["the sources", "COPY LICENSE /", "COPY . /", "the image has all of the context"],
    ["a secret", "WORKDIR /repo", "ARG NPM_TOKEN", "a secret in a layer: NPM_TOKEN"],
  ])("%s is found", (_, from, to, problem) => {
    const changed = text.replace(from as string, to);
    expect(changed).not.toBe(text);
    expect(problems(parseDockerfile(changed))).toContainEqual(expect.stringContaining(problem));
  });

  test("says nothing that its reader would pass over", () => {
    expect(() => parseDockerfile(`${text}\nADD https://example.com/x /x`)).toThrow(
      'cannot interpret "ADD',
    );
    expect(() => parseDockerfile(`${text}\nVOLUME /x`)).toThrow("cannot interpret");
  });
});

describe("infra/docker/console.Dockerfile", () => {
  test("keeps the same rules, on the same base, and its image begins from nothing", () => {
    const stages = parseDockerfile(consoleText);
    expect(stages.map(({ from }) => from)).toEqual([parseDockerfile(text)[0]?.from, "scratch"]);
    expect(problems(stages)).toEqual([]);
  });

  test.each([
    ["a base without a digest", /@sha256:\w+/, "", "is not the pinned Node"],
    ["root", "USER 10001:10001", "USER 0:0", "USER 0:0 is not"],
    ["scripts", / --ignore-scripts/, "", "scripts of packages are run by the install"],
    ["a build from nothing", /FROM node:\S+ AS/, "FROM scratch AS", "is not the pinned Node"],
  ])("%s is found", (_, from, to, problem) => {
    const changed = consoleText.replace(from as string, to);
    expect(changed).not.toBe(consoleText);
    expect(problems(parseDockerfile(changed))).toContainEqual(expect.stringContaining(problem));
  });
});

test("a Dockerfile is read as Docker reads it", () => {
  const [stage] = parseDockerfile(
    "# x\nFROM a:1 AS b\nRUN --mount=type=cache,id=c,target=/d one \\\n  # between\n  && two\nCOPY --from=b --chown=1:2 /e ./\n",
  );
  expect(stage).toEqual({
    from: "a:1",
    name: "b",
    instructions: [
      { keyword: "RUN", flags: { mount: "type=cache,id=c,target=/d" }, rest: "one && two" },
      { keyword: "COPY", flags: { from: "b", chown: "1:2" }, rest: "/e ./" },
    ],
  });
});

import { expect, test } from "vitest";
import { readmeProblems, textProblems } from "./forbidden-text.ts";

const problems = (text: string) => textProblems(new Map([["a.txt", text]]));

// Put together here, so that this file does not name what it forbids.
const dot = ".";
const slash = "/";

test.each([
  [`https://registry${dot}npmjs.org/fastify`],
  [`GOPROXY=https://proxy${dot}golang.org,direct`],
  [`cd ${slash}work/main`],
  [`COPY . ${slash}root/app`],
  [`path: "${slash}root/.cache"`],
])("%s", (line) =>
  expect(problems(`first\n${line}\n`)).toEqual([expect.stringMatching(/^a\.txt:2 names /)]),
);

test.each([
  ["WORKDIR /workspace"],
  ["https://example.com/work/1"],
  ["src/root.ts"],
  ["./work"],
  ["$HOME/work"],
  ["./root"],
  ["not even root enters /root"],
])("%s is fine", (line) => expect(problems(line)).toEqual([]));

test("the README stays short", () => {
  expect(readmeProblems("line\n".repeat(149))).toEqual([]);
  expect(readmeProblems("line\n".repeat(200))).toEqual([expect.stringContaining("200 lines")]);
  expect(readmeProblems(undefined)).toEqual(["README.md is missing"]);
});

import { onPath } from "@tercet/cli";
import { expect, test } from "vitest";
import { selection } from "../src/selection.ts";
import { runSuite, TOOL } from "../src/suite.ts";

const missing = (await onPath(TOOL)) === undefined || (await onPath("go")) === undefined;
if (missing)
  process.stderr.write(`WITHOUT ${TOOL} (pnpm tools ${TOOL}): the conformance suite is not run\n`);

const LIMIT_MS = 10 * 60_000;

/** A part of it, since most of its cases differ by what both lanes share. */
const stockSelection = [
  "Basic/**/Compression:COMPRESSION_IDENTITY/TLS:false/**",
  "Errors/**/Codec:CODEC_JSON/**",
];

test.skipIf(missing).each([
  {
    title:
      "the host passes a selection of the protocols' own suite; pnpm conformance runs all of it",
    options: { mode: "server", fastPath: true, run: selection },
    cases: 1_000,
  },
  {
    title: "with FAST_PATH=off too",
    options: { mode: "server", fastPath: false, run: stockSelection },
    cases: 300,
  },
  {
    title: "the transport of calls between services passes the suite's client mode",
    options: { mode: "client", fastPath: true, run: [] },
    cases: 100,
  },
  {
    title: "with FAST_PATH=off too, the client",
    options: { mode: "client", fastPath: false, run: ["Basic/**"] },
    cases: 10,
  },
] as const)("$title", { timeout: LIMIT_MS }, async ({ options, cases }) => {
  const lines: string[] = [];
  const { passed, ...rest } = await runSuite({
    ...options,
    signal: AbortSignal.timeout(LIMIT_MS),
    onLine: (line) => void lines.push(line),
  });
  expect(rest, lines.join("\n")).toEqual({ failed: 0, notRun: 0, logged: [] });
  // A pattern that matches nothing would pass as well.
  expect(passed).toBeGreaterThan(cases);
});

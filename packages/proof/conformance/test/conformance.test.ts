import { onPath } from "@tercet/cli";
import { expect, test } from "vitest";
import { selection } from "../src/selection.ts";
import { runSuite, TOOL } from "../src/suite.ts";

const missing = (await onPath(TOOL)) === undefined || (await onPath("go")) === undefined;
if (missing)
  process.stderr.write(`WITHOUT ${TOOL} (pnpm tools ${TOOL}): the conformance suite is not run\n`);

const LIMIT_MS = 10 * 60_000;

test.skipIf(missing)(
  "the host passes a selection of the protocols' own suite; pnpm conformance runs all of it",
  { timeout: LIMIT_MS },
  async () => {
    const lines: string[] = [];
    const { passed, ...rest } = await runSuite({
      run: selection,
      signal: AbortSignal.timeout(LIMIT_MS),
      onLine: (line) => void lines.push(line),
    });
    expect(rest, lines.join("\n")).toEqual({ failed: 0, notRun: 0, logged: [] });
    // A pattern that matches nothing would pass as well.
    expect(passed).toBeGreaterThan(1_000);
  },
);

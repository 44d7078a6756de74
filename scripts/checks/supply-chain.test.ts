import { expect, test } from "vitest";
import { advisoriesOf, isAllowed, signaturesOf } from "./supply-chain.ts";

const finished = (stdout: string, code = 1) => ({ code, stdout, output: stdout });

test("a known vulnerability fails; a report without any passes", () => {
  const advisory = { module_name: "left-pad", severity: "high", title: "pads on the right" };
  expect(advisoriesOf(finished(JSON.stringify({ advisories: { 1: advisory } })))).toEqual({
    kind: "failed",
    output: "left-pad: high: pads on the right",
  });
  expect(advisoriesOf(finished('{"advisories":{}}', 0))).toEqual({ kind: "passed" });
});

test("without network, advisories are skipped and say why", () => {
  const output = "Error: ERR_PNPM_AUDIT\n\n  × The audit endpoint responded with 405:\n";
  expect(advisoriesOf(finished(output))).toEqual({
    kind: "skipped",
    reason: "advisories cannot be fetched: The audit endpoint responded with 405:",
  });
});

test("an invalid signature fails; a registry without keys is skipped and says so", () => {
  expect(signaturesOf(finished("audited 812 packages\n", 0))).toEqual({ kind: "passed" });
  expect(signaturesOf(finished("audited 812 packages\n1 has an invalid signature")).kind).toBe(
    "failed",
  );
  expect(signaturesOf(finished("audited 0 packages\n\nNo registry has signing keys", 0))).toEqual({
    kind: "skipped",
    reason: "signatures cannot be fetched: No registry has signing keys",
  });
});

test("licences are compared as SPDX expressions", () => {
  for (const licence of ["MIT", "MIT OR GPL-3.0", "(Apache-2.0 AND BSD-3-Clause)"])
    expect(isAllowed(licence)).toBe(true);
  for (const licence of ["GPL-3.0", "MIT AND GPL-3.0", "Unknown", "BUSL-1.1"])
    expect(isAllowed(licence)).toBe(false);
});

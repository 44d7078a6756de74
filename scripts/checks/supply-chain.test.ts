import { expect, test } from "vitest";
import { advisoriesOf, isAllowed, lockfileOf, signaturesOf } from "./supply-chain.ts";

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

test("a version that is too new fails; without network the lockfile is skipped and says why", () => {
  const tooNew = finished("Error: ERR_PNPM_MINIMUM_RELEASE_AGE_VIOLATION\n\n  × left-pad@2.0.0");
  expect(lockfileOf(tooNew)).toEqual({ kind: "failed", output: tooNew.output });
  const noNetwork = `Error: ERR_PNPM_META_FETCH_FAIL

  × installing dependencies
  ╰─▶ ERR_PNPM_RESOLVING_NPM_RESOLVER_NETWORK_ERROR: Failed to fetch metadata
      from http://127.0.0.1:1/left-pad: Connection refused
`;
  expect(lockfileOf(finished(noNetwork))).toEqual({
    kind: "skipped",
    reason:
      "packages' histories cannot be fetched: ERR_PNPM_RESOLVING_NPM_RESOLVER_NETWORK_ERROR: Failed to fetch metadata",
  });
  expect(lockfileOf(finished("Done in 1s", 0))).toEqual({ kind: "passed" });
});

test("licences are compared as SPDX expressions", () => {
  for (const licence of ["MIT", "MIT OR GPL-3.0", "(Apache-2.0 AND BSD-3-Clause)"])
    expect(isAllowed(licence)).toBe(true);
  for (const licence of ["GPL-3.0", "MIT AND GPL-3.0", "Unknown", "BUSL-1.1"])
    expect(isAllowed(licence)).toBe(false);
});

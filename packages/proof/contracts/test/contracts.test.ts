import { expect, test } from "vitest";
import { contracts } from "./command.ts";

/**
 * Processes of its own: Pact's core prints each interaction, which is for those who look at a
 * failure.
 */
const PATIENCE = 5 * 60_000;

test.each([
  ["golden", "every message travels as its golden vectors say"],
  ["policy", "access and validation are those that are committed"],
  ["pacts", "consumers ask for what their committed pacts say"],
  ["verify", "the running services answer as the pacts say"],
])(
  "%s: %s",
  async (gate) => {
    const { code, output } = await contracts([gate]);
    expect(code, output).toBe(0);
    expect(output).toContain(`✓ ${gate}`);
  },
  PATIENCE,
);

test(
  "a word that is no gate is refused, and help names the gates",
  async () => {
    expect(await contracts(["gold"])).toEqual({
      code: 1,
      output: expect.stringContaining("no gate is named gold"),
    });
    expect(await contracts(["--help"])).toEqual({
      code: 0,
      output: expect.stringMatching(/golden.*policy.*pacts.*verify.*accept.*publish/s),
    });
  },
  PATIENCE,
);

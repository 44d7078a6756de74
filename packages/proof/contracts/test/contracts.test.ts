import { expect, test } from "vitest";
import { contracts } from "./command.ts";

/** Runs gates as processes, since Pact's core prints each interaction. */
const PATIENCE = 5 * 60_000;

test.each([
  ["golden", "every message has the wire form of its golden vectors"],
  ["policy", "access and validation are as committed"],
  ["pacts", "consumers make the calls of their committed pacts"],
  ["verify", "the running services keep the pacts"],
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
  "an unknown gate is refused, and help lists the gates",
  async () => {
    expect(await contracts(["gold"])).toEqual({
      code: 1,
      output: expect.stringContaining("there is no gate gold"),
    });
    expect(await contracts(["--help"])).toEqual({
      code: 0,
      output: expect.stringMatching(/golden.*policy.*pacts.*verify.*accept.*publish/s),
    });
  },
  PATIENCE,
);

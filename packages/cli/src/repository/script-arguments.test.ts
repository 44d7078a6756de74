import { execa } from "execa";
import { expect, test } from "vitest";
import { ROOT } from "../root.ts";

const node = (script: string, argument: string) =>
  execa("node", ["--conditions=source", `scripts/${script}.ts`, argument], {
    cwd: ROOT,
    preferLocal: true,
    reject: false,
  });

test.each(["generate", "images", "new", "tools", "verify"])(
  "pnpm %s shows its usage for --help, and for an option that it does not have",
  async (script) => {
    const [asked, wrong] = await Promise.all([node(script, "--help"), node(script, "--bogus")]);
    expect(asked).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Usage: pnpm /) });
    expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/^Unknown option '--bogus'\n\nUsage: pnpm /);
  },
);

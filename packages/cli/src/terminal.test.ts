import { expect, test } from "vitest";
import { createTerminal, terminalListener } from "./terminal.ts";

const output = (isTTY: boolean) => {
  const written: string[] = [];
  return { isTTY, columns: 20, written, write: (text: string) => written.push(text) > 0 };
};

test("in a file there are no colours and nothing is drawn over", async () => {
  const file = output(false);
  await terminalListener(createTerminal(file, {})).progress("edge", async () => {});
  expect(file.written.join("")).toMatch(/^✓ edge {9}0\.0 s\n$/);
});

test("on a terminal what is under way is drawn over, and cut where it would wrap", () => {
  const screen = output(true);
  const terminal = createTerminal(screen, { NO_COLOR: "1" });
  terminal.draw(["x".repeat(30)]);
  terminal.line("done");
  expect(screen.written).toEqual([`${"x".repeat(18)}…\n`, "\x1b[1A\x1b[Jdone\n"]);
});

test("NO_COLOR is respected", () => {
  expect(createTerminal(output(true), { NO_COLOR: "1" }).styled("red", "x")).toBe("x");
  expect(createTerminal(output(true), {}).styled("red", "x")).toBe("\x1b[31mx\x1b[39m");
});

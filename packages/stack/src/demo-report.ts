import type { Terminal } from "@tercet/cli";
import { demoOrders, describeEnding, sameEnding } from "./demo-orders.ts";
import type { DemoResult } from "./demo-run.ts";
import { timelineOf } from "./timeline.ts";

const WIDTH = Math.max(...demoOrders.map(({ title }) => title.length));

/** Shows the state of each order in place; without a live terminal, one line per change. */
export function demoProgress(terminal: Terminal): (index: number, state: string) => void {
  const states = demoOrders.map(() => "waiting");
  terminal.line(`placing ${demoOrders.length} orders at once`);
  return (index, state) => {
    states[index] = state;
    if (!terminal.live) terminal.line(`  ${demoOrders[index]?.title.padEnd(WIDTH)}  ${state}`);
    terminal.draw(demoOrders.map(({ title }, i) => `  ${title.padEnd(WIDTH)}  ${states[i]}`));
  };
}

/** Prints each order's timeline. Returns whether all had the expected outcome. */
export function demoReport(results: readonly DemoResult[], terminal: Terminal): boolean {
  for (const [index, result] of results.entries()) reportOne(index + 1, result, terminal);
  const right = results.filter(({ demo, ending }) => sameEnding(ending, demo.expected)).length;
  terminal.line();
  terminal.line(`${right} of ${results.length} orders had the expected outcome`);
  return right === results.length;
}

function reportOne(number: number, { demo, order, ending }: DemoResult, terminal: Terminal): void {
  const right = sameEnding(ending, demo.expected);
  const mark = right ? terminal.styled("green", "✓") : terminal.styled("red", "✗");
  terminal.line();
  terminal.line(
    `${mark} ${String(number).padStart(2)} ${terminal.styled("bold", demo.title)}: ${describeEnding(ending)}`,
  );
  if (!right)
    terminal.line(`     ${terminal.styled("red", `expected ${describeEnding(demo.expected)}`)}`);
  terminal.line(
    `     ${terminal.styled("dim", `order ${order.id}${order.failure ? `: ${order.failure.message}` : ""}`)}`,
  );
  for (const line of timelineOf(order, terminal)) terminal.line(`  ${line}`);
}

import type { WriteStream } from "node:tty";
import { stripVTControlCharacters, styleText } from "node:util";
import type { Env } from "@tercet/service/config";
import type { ProgressListener } from "./progress.ts";

export type Style = Parameters<typeof styleText>[0];

/** Output for a person, in colour where the terminal has colours. */
export interface Terminal {
  /** Whether lines can be redrawn. */
  readonly live: boolean;
  styled(style: Style, text: string): string;
  line(text?: string): void;
  /** Shows changing lines at the end, replaced by the next call or by `line`. Only if `live`. */
  draw(lines: readonly string[]): void;
}

type Output = Pick<WriteStream, "write"> & { readonly isTTY?: boolean; readonly columns?: number };

export function createTerminal(output: Output, { NO_COLOR = "", TERM }: Env): Terminal {
  const live = output.isTTY === true && TERM !== "dumb";
  const coloured = live && NO_COLOR === "";
  let drawn = 0;
  const erase = () => (drawn === 0 ? "" : `\x1b[${drawn}A\x1b[J`);
  // A line that wraps could not be replaced. When cut, it loses its colour.
  const fit = (text: string) => {
    const width = (output.columns || 80) - 1;
    const plain = stripVTControlCharacters(text);
    return plain.length > width ? `${plain.slice(0, width - 1)}…` : text;
  };
  return {
    live,
    styled: (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text),
    line: (text = "") => {
      output.write(`${erase()}${text}\n`);
      drawn = 0;
    },
    draw: (lines) => {
      if (!live) return;
      output.write(`${erase()}${lines.map((text) => `${fit(text)}\n`).join("")}`);
      drawn = lines.length;
    },
  };
}

/** Returns a listener that shows what is in progress, and what is done with its duration. */
export function terminalListener(terminal: Terminal): ProgressListener {
  const underWay = new Set<string>();
  const redraw = () =>
    terminal.draw([...underWay].map((what) => terminal.styled("dim", `… ${what}`)));
  const say = (text: string) => {
    terminal.line(text);
    redraw();
  };
  return {
    progress: async (what, work) => {
      const start = performance.now();
      underWay.add(what);
      redraw();
      try {
        const result = await work();
        underWay.delete(what);
        say(
          `${terminal.styled("green", "✓")} ${what.padEnd(12)} ${terminal.styled("dim", seconds(performance.now() - start))}`,
        );
        return result;
      } finally {
        underWay.delete(what);
        redraw();
      }
    },
    notice: (sentence) => say(`${terminal.styled("yellow", "!")} ${sentence}`),
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

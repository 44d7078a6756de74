import { stripVTControlCharacters } from "node:util";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import Table from "cli-table3";

/** Cells of a list are cut: the message of a failure can have any length. */
const MAX_CELL = 80;

/** What a command prints: a table or lines for people, or the API's own JSON. */
export interface Output {
  /** One row per item. */
  list<Desc extends DescMessage>(
    schema: Desc,
    message: MessageShape<Desc>,
    head: readonly string[],
    rows: readonly (readonly string[])[],
  ): void;
  /** A name and a value per line, without the empty ones; then a table, if there is one. */
  one<Desc extends DescMessage>(
    schema: Desc,
    message: MessageShape<Desc>,
    fields: readonly (readonly [name: string, value: string])[],
    table?: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] },
  ): void;
  /** For a stream: a line as it arrives. In JSON each message is one line. */
  event<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>, line: string): void;
  /** For people; to standard error, so that JSON stays JSON. */
  note(text: string): void;
}

interface Writable {
  write(text: string): unknown;
}

export function createOutput(stdout: Writable, stderr: Writable, json: boolean): Output {
  const line = (text: string) => void stdout.write(`${text}\n`);
  const asJson = <Desc extends DescMessage>(
    schema: Desc,
    message: MessageShape<Desc>,
    spaces?: number,
  ) => line(JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), null, spaces));
  return {
    list(schema, message, head, rows) {
      if (json) asJson(schema, message, 2);
      else if (rows.length === 0) stderr.write("none\n");
      else line(tableText(head, rows));
    },
    one(schema, message, fields, table) {
      if (json) return asJson(schema, message, 2);
      const shown = fields.filter(([, value]) => value !== "");
      const width = Math.max(...shown.map(([name]) => name.length));
      for (const [name, value] of shown) line(`${name.padEnd(width)}  ${printable(value)}`);
      if (table && table.rows.length > 0) line(`\n${tableText(table.head, table.rows)}`);
    },
    event(schema, message, text) {
      if (json) asJson(schema, message);
      else line(printable(text));
    },
    note: (text) => void stderr.write(`${printable(text)}\n`),
  };
}

const NO_BORDERS = Object.fromEntries(
  ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
    ["", "-mid", "-left", "-right"].map((part) => [`${side}${part}`, ""]),
  ),
);

function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    chars: { ...NO_BORDERS, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push(...rows.map((row) => row.map(cell)));
  return table
    .toString()
    .split("\n")
    .map((text) => text.trimEnd())
    .join("\n");
}

function cell(value: string): string {
  const text = printable(value);
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text;
}

/** What others wrote must not steer the terminal. */
const printable = (text: string): string =>
  stripVTControlCharacters(text).replace(/\p{Cc}+/gu, " ");

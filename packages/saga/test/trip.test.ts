import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { testDatabase } from "@tercet/service/testing";
import { expect, test } from "vitest";
import { DEFAULTS } from "../src/index.ts";

const EXAMPLE = new URL("../examples/trip.ts", import.meta.url);

/** Runs the example as a person does, and returns its output without process ids. */
async function runTrip(signal: AbortSignal, ...hotel: string[]): Promise<string[]> {
  await using database = await testDatabase();
  const args = ["--conditions=source", EXAMPLE.pathname, database.url, ...hotel];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/^process \d+ /, ""));
}

test.concurrent("a trip whose worker is killed is taken over and finished", async ({ signal }) => {
  expect(await runTrip(signal)).toEqual([
    "begins at flight",
    "books the flight, and is killed",
    "takes over at flight",
    "moves the trip to COMPLETED",
    "finds flight: BOOKED",
    "finds hotel: BOOKED",
  ]);
});

test.concurrent("a trip whose hotel is full is taken over and its flight is cancelled", async ({
  signal,
}) => {
  expect(await runTrip(signal, "full")).toEqual([
    "begins at flight",
    "books the flight, and is killed",
    "takes over at flight",
    "moves the trip to COMPENSATING",
    "moves the trip to COMPENSATED",
    "finds flight: CANCELLED",
  ]);
});

test("the README shows the definition of the example and the defaults", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const example = await readFile(EXAMPLE, "utf8");
  const [, definition = ""] = /#region definition\n(.*?)\/\/ #endregion/s.exec(example) ?? [];
  expect(definition).toContain("tripSaga");
  expect(readme).toContain(definition);
  for (const [name, value] of Object.entries(DEFAULTS))
    expect(readme).toContain(`| \`${name}\` | ${value.toLocaleString("en")} |`);
});

import { create } from "@bufbuild/protobuf";
import { ListUsersResponseSchema } from "@tercet/gen/identity/v1/identity";
import { expect, test } from "vitest";
import { createOutput } from "./output.ts";

function outputWith(json: boolean) {
  const lines: string[] = [];
  const writable = { write: (text: string) => void lines.push(text) };
  return { output: createOutput(writable, writable, json), lines };
}
const users = create(ListUsersResponseSchema, { users: [{ displayName: "Ada" }] });

test("a list is an aligned table", () => {
  const { output, lines } = outputWith(false);
  const rows = [
    ["1", "x".repeat(100)],
    ["22", "b"],
  ];
  output.list(ListUsersResponseSchema, users, ["ID", "NAME"], rows);
  expect(lines.join("")).toBe(`ID  NAME\n1   ${"x".repeat(79)}…\n22  b\n`);
});

test("JSON is the API's, with every field", () => {
  const { output, lines } = outputWith(true);
  output.list(ListUsersResponseSchema, users, ["ID"], [["1"]]);
  expect(JSON.parse(lines.join(""))).toMatchObject({
    users: [{ displayName: "Ada", email: "", roles: [] }],
    nextPageToken: "",
  });
});

test("what others wrote cannot steer the terminal", () => {
  const { output, lines } = outputWith(false);
  const hostile = "a\x1b[2J\x1b]0;title\x07b\r\nc\u009bd";
  output.one(ListUsersResponseSchema, users, [["name", hostile]]);
  output.list(ListUsersResponseSchema, users, ["NAME"], [[hostile]]);
  output.note(hostile);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  expect(lines.join("")).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

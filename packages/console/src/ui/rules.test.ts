import { create } from "@bufbuild/protobuf";
import { RegisterRequestSchema } from "@tercet/gen/identity/v1/identity";
import { expect, test } from "vitest";
import { problemsOf } from "./rules.ts";

const valid = {
  email: "me@example.com",
  password: "correct horse",
  displayName: "Me",
  requestId: "0a956c5e-08a8-5626-ab2b-0c0d95235fd8",
};
const problems = (change: Partial<typeof valid>) =>
  problemsOf(RegisterRequestSchema, create(RegisterRequestSchema, { ...valid, ...change }));

test("a message that keeps the rules has no problems", () => {
  expect(problems({})).toEqual({});
});

test.each([
  [{ email: "" }, { email: "This is needed." }],
  [{ email: "me" }, { email: "This is not an email address." }],
  [{ password: "short" }, { password: "At least 8 characters." }],
  [{ password: "x".repeat(129) }, { password: "At most 128 characters." }],
  [{ password: "eight\n chars" }, { password: "This has characters that are not allowed." }],
  [{ displayName: "Me\u202e" }, { displayName: "This has characters that are not allowed." }],
  [{ displayName: "😀".repeat(100) }, {}],
  [{ displayName: "😀".repeat(101) }, { displayName: "At most 100 characters." }],
  [{ requestId: "1" }, { requestId: "This is not an id." }],
])("%o: %o", (change, expected) => {
  expect(problems(change)).toEqual(expected);
});

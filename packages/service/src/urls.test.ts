import { describe, expect, test } from "vitest";
import { atDatabase, databaseUrl, httpUrl, postgresUrl } from "./urls.ts";

const anyDatabase = databaseUrl("postgres", "mongodb", "mongodb+srv");
const problemOf = (schema: typeof httpUrl, text: string): string | undefined =>
  schema
    .safeParse(text)
    .error?.issues.map(({ message }) => message)
    .join();

describe("an address of a database", () => {
  test.each([
    "postgres://tercet:tercet@127.0.0.1:5433/orders",
    "postgres://one:5432,two:5433/orders?sslmode=require",
    "postgres://me:p%40s%2Fs@[::1]:5432/orders",
    "postgres://me:a:b@db.example.com/orders",
    "postgres://%2Fvar%2Frun/orders",
    "postgres:///orders",
    "mongodb://a:27017,b:27017,c:27017/payments?replicaSet=rs0",
    "mongodb+srv://me:secret@cluster.example.com/payments",
  ])("%s is one", (text) => expect(problemOf(anyDatabase, text)).toBeUndefined());

  test.each([
    ["postgres://me:100%@host/db", "% as %25"],
    ["postgres://me:p@ss@host/db", "@ as %40"],
    ["postgres://me:p/ss@host/db", "/ as %2F"],
    ["postgres://me:p?ss@host/db", "? as %3F"],
    ["postgres://me:p#ss@host/db", "# as %23"],
    ["postgres://me:pass@ho st/db", "has a host or port"],
    ["postgres://me:pass@host:port/db", "has a host or port"],
    ["postgres://me:pass@host:70000/db", "has a host or port"],
    ["mongodb://a:27017,b:/x/payments", "is not a URL"],
    ["mysql://me:pass@host/db", "must begin with postgres:// or mongodb:// or mongodb+srv://"],
    ["pass", "must begin with postgres://"],
  ])("%s is none, and is not repeated", (text, problem) => {
    const found = problemOf(anyDatabase, text);
    expect(found).toContain(problem);
    expect(found).not.toMatch(/p(ass|.ss)\b(?!word)|100%/);
  });

  test("of PostgreSQL it has either of two schemes", () => {
    expect(problemOf(postgresUrl, "postgresql://db/orders")).toBeUndefined();
    expect(problemOf(postgresUrl, "mongodb://db/orders")).toBe(
      "must begin with postgres:// or postgresql://",
    );
  });
});

test.each([
  [
    "postgres://me:p%40ss@db:5432/orders?sslmode=require",
    "postgres://me:p%40ss@db:5432/other?sslmode=require",
  ],
  [
    "mongodb://a:27017,b:27017/payments?replicaSet=rs0",
    "mongodb://a:27017,b:27017/other?replicaSet=rs0",
  ],
  [
    "mongodb+srv://me:secret@cluster.example.com",
    "mongodb+srv://me:secret@cluster.example.com/other",
  ],
  ["mongodb://a?replicaSet=rs0", "mongodb://a/other?replicaSet=rs0"],
  ["postgres:///orders", "postgres:///other"],
])("another database at %s is %s", (url, other) => expect(atDatabase(url, "other")).toBe(other));

describe("an address of an HTTP server", () => {
  test.each(["http://identity:5010", "https://user:p%40ss@loki.example.com:3100/a?b"])(
    "%s is one",
    (text) => expect(problemOf(httpUrl, text)).toBeUndefined(),
  );

  test.each([
    ["identity:5010", "must begin with http:// or https://"],
    ["mailto:x@example.com", "must begin with http:// or https://"],
    ["http://", "is not a URL"],
    ["http://host:port", "is not a URL"],
    ["http://me:100%@loki", "% as %25"],
  ])("%s is none", (text, problem) => expect(problemOf(httpUrl, text)).toContain(problem));
});

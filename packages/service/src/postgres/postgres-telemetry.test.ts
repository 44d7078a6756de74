import { expect, test } from "vitest";
import { summarize } from "./postgres-telemetry.ts";

test.each([
  ["select * from orders where id = ", "SELECT", "SELECT orders"],
  [
    "with request as (insert into requests (a) select 1), placed as (insert into orders (id) select 1)",
    "INSERT",
    "INSERT requests, INSERT orders",
  ],
  [
    "with due as (select id from sagas s for update of s skip locked) update sagas s set a = 1 from due",
    "UPDATE",
    "UPDATE sagas",
  ],
  [
    "insert into workers (id) values (1) on conflict (id) do update set seen_at = now()",
    "INSERT",
    "INSERT workers",
  ],
  [
    "with gone as (delete from workers where id = 1) update sagas set owner = null",
    "DELETE",
    "DELETE workers, UPDATE sagas",
  ],
  ["select 1", "SELECT", "SELECT"],
])("%s", (text, operation, summary) => {
  expect(summarize(text)).toEqual({ operation, summary });
});

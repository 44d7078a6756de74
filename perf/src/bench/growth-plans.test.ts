import { expect, test } from "vitest";
import { pagesOf } from "./growth-plans.ts";

test("pages are those of each statement's plan, in memory or not, and of CTEs that none reads", () => {
  const log = `
2026-11-28 UTC [1] LOG:  duration: 0.2 ms  plan:
	Query Text: select * from orders
	Limit  (cost=0.00..1.00) (actual rows=1.00 loops=1)
	  Buffers: shared hit=3 read=2 dirtied=7
	  ->  Index Scan using orders_pkey on orders  (actual rows=1.00 loops=1)
	        Buffers: shared hit=3 read=2 dirtied=7
2026-11-28 UTC [1] LOG:  duration: 0.1 ms  plan:
	Query Text: select 'mark 1' as mark
	Result  (cost=0.00..0.01) (actual rows=1.00 loops=1)
2026-11-28 UTC [1] LOG:  duration: 0.1 ms  plan:
	Query Text: with placed as (...), begun as (...), none as (...) select id from placed
	CTE Scan on placed  (actual rows=1.00 loops=1)
	  Buffers: shared hit=10
	  CTE placed
	    ->  Insert on orders  (actual rows=1.00 loops=1)
	          Buffers: shared hit=9
	  CTE begun
	    ->  Insert on sagas  (actual rows=0.00 loops=1)
	          Buffers: shared hit=4
	  CTE none
	    ->  Insert on workers  (actual rows=0.00 loops=0)
	  ->  Result  (actual rows=1.00 loops=1)
	        Buffers: shared hit=1`;
  expect(pagesOf(log)).toBe(5 + 10 + 4);
});

DROP INDEX "payments_newest";--> statement-breakpoint
DROP INDEX "payments_of_customer";--> statement-breakpoint
CREATE INDEX "payments_newest" ON "payments" USING btree ("create_time" NULLS FIRST,"id" NULLS FIRST);--> statement-breakpoint
CREATE INDEX "payments_of_customer" ON "payments" USING btree ("customer_id","create_time" NULLS FIRST,"id" NULLS FIRST);
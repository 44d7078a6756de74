DROP INDEX "orders_by_customer";--> statement-breakpoint
DROP INDEX "orders_by_status";--> statement-breakpoint
-- Room on each page for the next version of its orders. First, since new columns write the table again.
ALTER TABLE "orders" SET (fillfactor = 60);--> statement-breakpoint
-- What a confirmation changes goes to the end of the row: then the log of the update leaves out all before.
ALTER TABLE "orders" ADD COLUMN "last_status" text GENERATED ALWAYS AS ("status") STORED, ADD COLUMN "last_update_time" timestamp with time zone GENERATED ALWAYS AS ("update_time") STORED;--> statement-breakpoint
ALTER TABLE "orders" ALTER COLUMN "last_status" DROP EXPRESSION, ALTER COLUMN "last_update_time" DROP EXPRESSION;--> statement-breakpoint
ALTER TABLE "orders" DROP COLUMN "status", DROP COLUMN "update_time";--> statement-breakpoint
ALTER TABLE "orders" RENAME COLUMN "last_status" TO "status";--> statement-breakpoint
ALTER TABLE "orders" RENAME COLUMN "last_update_time" TO "update_time";--> statement-breakpoint
ALTER TABLE "orders" ALTER COLUMN "status" SET NOT NULL, ALTER COLUMN "update_time" SET DEFAULT now(), ALTER COLUMN "update_time" SET NOT NULL, ADD COLUMN "listed_status" text GENERATED ALWAYS AS (case when status not in ('PENDING', 'CONFIRMED') then status end) STORED;--> statement-breakpoint
CREATE INDEX "orders_by_customer" ON "orders" USING btree ("customer_id","listed_status","id");--> statement-breakpoint
CREATE INDEX "orders_by_status" ON "orders" USING btree ("listed_status","id");

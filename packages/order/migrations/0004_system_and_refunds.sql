CREATE TABLE "feeds" (
	"name" text PRIMARY KEY NOT NULL,
	"page_token" text NOT NULL,
	"update_time" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "system" (
	"only_row" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" text NOT NULL,
	"create_time" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "system_has_one_row" CHECK ("system"."only_row")
);
--> statement-breakpoint
ALTER TABLE "orders" ADD COLUMN "refunded_minor_units" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_refunded_within_total" CHECK (0 <= "orders"."refunded_minor_units" and "orders"."refunded_minor_units" <= "orders"."minor_units");
CREATE TABLE "payments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"status" text NOT NULL,
	"order_id" uuid,
	"customer_id" uuid,
	"currency_code" text,
	"minor_units" bigint,
	"fingerprint" text,
	"reserved_minor_units" bigint DEFAULT 0 NOT NULL,
	"refunded_minor_units" bigint DEFAULT 0 NOT NULL,
	"refunds" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"decline_reason" text,
	"provider_reference" text,
	"events" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"open_work" integer NOT NULL,
	"attempt_time" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"charge_time" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"create_time" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"update_time" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "known_status" CHECK (status in ('PENDING', 'SUCCEEDED', 'DECLINED', 'PARTIALLY_REFUNDED', 'REFUNDED', 'VOIDED')),
	CONSTRAINT "whole_charge" CHECK (num_nulls(order_id, customer_id, currency_code, minor_units, fingerprint) in (0, 5)),
	CONSTRAINT "only_tombstones_lack_a_charge" CHECK (minor_units is not null or status = 'VOIDED'),
	CONSTRAINT "positive_amount" CHECK (minor_units > 0),
	CONSTRAINT "refunds_within_capture" CHECK (0 <= refunded_minor_units and refunded_minor_units <= reserved_minor_units and reserved_minor_units <= coalesce(minor_units, 0)),
	CONSTRAINT "all_back_when_refunded" CHECK (status <> 'REFUNDED' or refunded_minor_units = minor_units),
	CONSTRAINT "declined_for_a_reason" CHECK ((status = 'DECLINED') = (decline_reason is not null)),
	CONSTRAINT "open_work_counts" CHECK (open_work >= 0)
);
--> statement-breakpoint
CREATE INDEX "payments_newest" ON "payments" USING btree ("create_time" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "payments_of_order" ON "payments" USING btree ("order_id");--> statement-breakpoint
CREATE INDEX "payments_of_customer" ON "payments" USING btree ("customer_id","create_time" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "payments_open_work" ON "payments" USING btree ("attempt_time") WHERE open_work > 0;
CREATE TABLE "orders" (
	"id" uuid PRIMARY KEY NOT NULL,
	"customer_id" uuid NOT NULL,
	"status" text NOT NULL,
	"items" jsonb NOT NULL,
	"currency" char(3) NOT NULL,
	"total" bigint NOT NULL,
	"payment_id" uuid NOT NULL,
	"failure" jsonb,
	"create_time" timestamp with time zone DEFAULT now() NOT NULL,
	"update_time" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "products" (
	"sku" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"currency" char(3) NOT NULL,
	"price" bigint NOT NULL,
	"stock" bigint NOT NULL,
	"update_time" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "products_price_positive" CHECK ("products"."price" > 0),
	CONSTRAINT "products_stock_not_negative" CHECK ("products"."stock" >= 0)
);
--> statement-breakpoint
CREATE TABLE "requests" (
	"caller" text NOT NULL,
	"request_id" uuid NOT NULL,
	"method" text NOT NULL,
	"fingerprint" text NOT NULL,
	"resource_id" text NOT NULL,
	"create_time" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "requests_caller_request_id_pk" PRIMARY KEY("caller","request_id")
);
--> statement-breakpoint
CREATE TABLE "sagas" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"version" integer NOT NULL,
	"subject" uuid NOT NULL,
	"state" text NOT NULL,
	"resume_state" text,
	"step" text NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"input" jsonb NOT NULL,
	"results" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"failure" jsonb,
	"last_error" text,
	"owner" uuid,
	"fence" bigint NOT NULL,
	"next_run_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"events" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"create_time" timestamp with time zone DEFAULT now() NOT NULL,
	"update_time" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "workers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "orders_by_customer" ON "orders" USING btree ("customer_id","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "orders_by_status" ON "orders" USING btree ("status","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "requests_create_time_idx" ON "requests" USING btree ("create_time");--> statement-breakpoint
CREATE INDEX "sagas_due" ON "sagas" USING btree ("next_run_at") WHERE "sagas"."state" in ('RUNNING', 'COMPENSATING');--> statement-breakpoint
CREATE INDEX "sagas_attention" ON "sagas" USING btree ("id") WHERE "sagas"."state" = 'NEEDS_ATTENTION';--> statement-breakpoint
CREATE INDEX "sagas_subject" ON "sagas" USING btree ("subject");
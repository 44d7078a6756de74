CREATE TABLE "system" (
	"only_row" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" text NOT NULL,
	"create_time" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "system_has_one_row" CHECK ("system"."only_row")
);

ALTER TABLE "sessions" ADD COLUMN "epoch" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "disable_time" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "disable_reason" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "session_epoch" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "reset_token_hash" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "reset_expire_time" timestamp with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "users_reset_token_hash_key" ON "users" USING btree ("reset_token_hash");--> statement-breakpoint
CREATE INDEX "users_admins_idx" ON "users" USING btree ("id") WHERE "users"."roles" @> '["admin"]'::jsonb and "users"."disable_time" is null;
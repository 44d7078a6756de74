CREATE TABLE "revocations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"token_version" integer,
	"except_session_id" uuid,
	"expire_time" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "token_version" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "revocations_expire_time_idx" ON "revocations" USING btree ("expire_time");--> statement-breakpoint
CREATE INDEX "sessions_user_id_idx" ON "sessions" USING btree ("user_id","id");
ALTER TABLE "payments" ADD COLUMN "watched" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "payments_watched" ON "payments" USING btree ("attempt_time") WHERE watched;
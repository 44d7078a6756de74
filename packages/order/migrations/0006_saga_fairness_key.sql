ALTER TABLE "sagas" ADD COLUMN "fairness_key" text DEFAULT '' NOT NULL;--> statement-breakpoint
-- The input of a saga, which may hold a payment token, is deleted when the saga ends. Those of before:
UPDATE "sagas" SET "input" = '{}' WHERE "state" IN ('COMPLETED', 'COMPENSATED', 'RESOLVED') AND "input" <> '{}';

ALTER TABLE "orders" RENAME COLUMN "currency" TO "currency_code";--> statement-breakpoint
ALTER TABLE "orders" RENAME COLUMN "total" TO "minor_units";--> statement-breakpoint
ALTER TABLE "products" RENAME COLUMN "currency" TO "currency_code";--> statement-breakpoint
ALTER TABLE "products" RENAME COLUMN "price" TO "minor_units";--> statement-breakpoint
-- The input of sagas that place orders: `amount` instead of `currency` and `total`.
UPDATE "sagas" SET "input" = "input" - 'currency' - 'total' || jsonb_build_object('amount',
	jsonb_build_object('currencyCode', "input" -> 'currency', 'minorUnits', "input" -> 'total'))
WHERE "kind" = 'place-order' AND "input" ? 'total';

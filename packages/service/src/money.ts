import { z } from "zod";

/** An exact amount in the currency's minor unit; the shape of `common.v1.Money`. */
export interface Money {
  readonly currencyCode: string;
  readonly minorUnits: bigint;
}

/**
 * Money in JSON, where an integer of any size is a string: `moneyJson.parse(value)` returns a
 * `Money` or throws ZodError, `toMoneyJson` is the inverse.
 */
export const moneyJson = z.object({
  currencyCode: z.string(),
  minorUnits: z.string().transform(BigInt),
});

export type MoneyJson = z.input<typeof moneyJson>;

export const toMoneyJson = ({ currencyCode, minorUnits }: Money): MoneyJson => ({
  currencyCode,
  minorUnits: minorUnits.toString(),
});

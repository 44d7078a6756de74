import { type Duration, durationMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Money } from "@tercet/gen/common/v1/money";

/** Returns the text of a protobuf enum value: "CONFIRMED". */
export const nameOf = (names: Readonly<Record<number, string>>, value: number): string =>
  names[value] ?? `UNKNOWN (${value})`;

/** Returns a time in UTC, to the second: "2026-11-28 02:12:25Z". */
export const timeText = (time: Timestamp | undefined): string =>
  time === undefined ? "" : `${timestampDate(time).toISOString().replace("T", " ").slice(0, 19)}Z`;

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** Returns a duration in its largest unit: "3 min". */
export function durationText(duration: Duration | undefined): string {
  if (duration === undefined) return "";
  const ms = durationMs(duration);
  const [unit, size] = UNITS.find(([, unitMs]) => ms >= unitMs) ?? ["ms", 1];
  return `${Math.floor(ms / size)} ${unit}`;
}

/** Returns an amount in the currency's own unit, exact: "19.99 EUR". */
export function moneyText(money: Money | undefined): string {
  if (money === undefined) return "";
  const { currencyCode, minorUnits } = money;
  const digits = fractionDigits(currencyCode);
  const text = String(minorUnits < 0n ? -minorUnits : minorUnits).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  const fraction = digits === 0 ? "" : `.${text.slice(-digits)}`;
  return `${minorUnits < 0n ? "-" : ""}${whole}${fraction} ${currencyCode}`;
}

/** Returns the minor units of "19.99" in a currency; undefined if it is no amount of it. */
export function parseMinorUnits(text: string, currencyCode: string): bigint | undefined {
  const [, whole, fraction = ""] = /^(\d{1,15})(?:\.(\d+))?$/.exec(text) ?? [];
  const digits = fractionDigits(currencyCode);
  if (whole === undefined || fraction.length > digits) return undefined;
  return BigInt(whole + fraction.padEnd(digits, "0"));
}

/** By ISO 4217, as the runtime knows it. */
const fractionDigits = (currency: string): number =>
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions()
    .maximumFractionDigits ?? 2;

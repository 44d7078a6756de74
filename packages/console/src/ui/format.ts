import { type Duration, durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Money } from "@tercet/gen/common/v1/money";

/** Shows minor units as the currency is written: 1999 EUR is €19.99. Never a float. */
export function formatMoney(
  money: Pick<Money, "currencyCode" | "minorUnits"> | undefined,
  locale = "en",
): string {
  if (money === undefined) return "";
  const { currencyCode, minorUnits } = money;
  const format = new Intl.NumberFormat(locale, { style: "currency", currency: currencyCode });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(`${minorUnits}E-${digits}` as Intl.StringNumericLiteral);
}

const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
const exact = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** "3 min. ago", "now"; older than a week, the date. */
export function formatAgo(ms: number, nowMs: number): string {
  const passed = ms - nowMs;
  if (Math.abs(passed) > 7 * 86_400_000) return day.format(ms);
  for (const [unit, size] of STEPS)
    if (Math.abs(passed) >= size) return relative.format(Math.trunc(passed / size), unit);
  return "now";
}

export const formatExact = (ms: number): string => exact.format(ms);

/** "840 ms", "2.4 s", "3 min 20 s", "2 h 5 min" */
export function formatSpan(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(ms < 9_950 ? 2 : 1).replace(/\.?0+$/, "")} s`;
  const seconds = Math.round(ms / 1_000);
  const [unit, size, smaller, smallerSize] =
    seconds < 3_600
      ? (["min", 60, "s", 1] as const)
      : seconds < 86_400
        ? (["h", 3_600, "min", 60] as const)
        : (["d", 86_400, "h", 3_600] as const);
  const rest = Math.floor((seconds % size) / smallerSize);
  return `${Math.floor(seconds / size)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ""}`;
}

export const msOf = (time: Timestamp | undefined): number | undefined =>
  time === undefined ? undefined : timestampMs(time);

export const spanOf = (duration: Duration | undefined): number =>
  duration === undefined ? 0 : durationMs(duration);

/** The last 8 characters: those of a UUIDv7 that differ between ids of one moment. */
export const shortId = (id: string): string => id.slice(-8);

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${new Intl.NumberFormat("en").format(count)} ${count === 1 ? one : many}`;

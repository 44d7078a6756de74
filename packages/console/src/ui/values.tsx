import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Money as MoneyMessage } from "@tercet/gen/common/v1/money";
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { formatAgo, formatExact, formatMoney, msOf, shortId } from "./format.ts";
import { useNow } from "./now.ts";

export const Money = ({ value }: { readonly value: MoneyMessage | undefined }) => (
  <span className="tabular nowrap">{formatMoney(value)}</span>
);

/** A time relative to now, the exact one on hover. */
export function Ago({ time }: { readonly time: Timestamp | number | undefined }) {
  const now = useNow();
  const ms = typeof time === "number" ? time : msOf(time);
  if (ms === undefined) return null;
  return (
    <time className="tabular nowrap" dateTime={new Date(ms).toISOString()} title={formatExact(ms)}>
      {formatAgo(ms, now)}
    </time>
  );
}

const COPIED_MS = 1_500;

/** Copies a text, and says so. */
export function useCopy(text: string): readonly [boolean, () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(setCopied, COPIED_MS, false);
    return () => clearTimeout(timer);
  }, [copied]);
  return [copied, () => void navigator.clipboard.writeText(text).then(() => setCopied(true))];
}

/** An id by its last 8 characters: whole on hover, copied by a click. */
export function Id({ value, label = "id" }: { readonly value: string; readonly label?: string }) {
  const [copied, copy] = useCopy(value);
  return (
    <button type="button" className="id" title={value} onClick={copy}>
      <span className="visually-hidden">Copy {label} </span>
      <span className="mono">{shortId(value)}</span>
      {copied ? <Check aria-hidden size={12} /> : <Copy aria-hidden size={12} />}
      <span className="visually-hidden" aria-live="polite">
        {copied ? "copied" : ""}
      </span>
    </button>
  );
}

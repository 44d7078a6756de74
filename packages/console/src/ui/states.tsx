import { Check, Copy, type LucideIcon, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { toProblem } from "../session/errors.ts";
import { Button } from "./button.tsx";
import { useCopy } from "./values.tsx";

/** A list or page without content: what it would show, and the next step. */
export function Empty({
  icon: Icon,
  title,
  children,
  action,
}: {
  readonly icon: LucideIcon;
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}) {
  return (
    <div className="empty">
      <span className="empty-icon">
        <Icon aria-hidden size={20} />
      </span>
      <h3>{title}</h3>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** An error: the service's message, its reason, and the correlation id to copy. */
export function ErrorPanel({
  error,
  title = "That did not work",
  onRetry,
}: {
  readonly error: unknown;
  readonly title?: string;
  readonly onRetry?: (() => void) | undefined;
}) {
  const { message, reason, correlationId } = toProblem(error);
  return (
    <div className="problem" role="alert">
      <TriangleAlert aria-hidden size={18} />
      <div className="problem-text">
        <strong>{title}</strong>
        <p>{message}</p>
        <p className="problem-codes">
          <code>{reason}</code>
          {correlationId !== undefined && <CorrelationId value={correlationId} />}
        </p>
      </div>
      {onRetry && (
        <Button small onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

function CorrelationId({ value }: { readonly value: string }) {
  const [copied, copy] = useCopy(value);
  return (
    <button type="button" className="id" title={value} onClick={copy}>
      <span>correlation id</span> <span className="mono">{value.slice(0, 8)}</span>
      {copied ? <Check aria-hidden size={12} /> : <Copy aria-hidden size={12} />}
    </button>
  );
}

const PATIENCE_MS = 150;

/** Grey lines in the form of what is loading; nothing in the first 150 ms. */
export function Skeleton({ lines = 5, label = "Loading" }: { lines?: number; label?: string }) {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const timer = setTimeout(setVisible, PATIENCE_MS, true);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status" aria-label={label} data-visible={visible}>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} />
      ))}
    </div>
  );
}

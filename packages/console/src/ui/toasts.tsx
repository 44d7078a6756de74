import { CircleCheck, X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";

interface Toast {
  readonly id: number;
  readonly text: string;
}

const VISIBLE_MS = 6_000;
const AT_MOST = 4;

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

const dismiss = (id: number): void => change(toasts.filter((toast) => toast.id !== id));

/** Says for a while that something is done. What went wrong is shown where it was begun. */
export function notifyDone(text: string): void {
  last += 1;
  change([...toasts, { id: last, text }].slice(-AT_MOST));
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status">
      {shown.map((toast) => (
        <ToastView key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ toast: { id, text } }: { readonly toast: Toast }) {
  useEffect(() => {
    const timer = setTimeout(dismiss, VISIBLE_MS, id);
    return () => clearTimeout(timer);
  }, [id]);
  return (
    <div className="toast">
      <CircleCheck aria-hidden size={16} />
      <span>{text}</span>
      <button
        type="button"
        className="icon-button"
        aria-label="Dismiss"
        onClick={() => dismiss(id)}
      >
        <X aria-hidden size={14} />
      </button>
    </div>
  );
}

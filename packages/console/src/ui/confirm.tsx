import { type FormEvent, type ReactNode, useId, useRef, useState } from "react";
import { Button, classOf } from "./button.tsx";
import { ErrorPanel } from "./states.tsx";

export interface ConfirmProps {
  readonly trigger: ReactNode;
  readonly look?: "plain" | "danger" | "primary";
  readonly title: string;
  /** What will happen, in a sentence. */
  readonly effect: ReactNode;
  readonly action: string;
  /** Fields of the form besides the reason. */
  readonly fields?: ReactNode;
  /** Whether a reason is asked for, and must be given. */
  readonly reason?: "required" | "optional" | "none";
  readonly onConfirm: (form: FormData) => Promise<unknown>;
}

const REASON_LENGTH = 500;

/** A button that first says what it will do, and asks for a reason. */
export function Confirm({ trigger, look = "plain", ...question }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  // A new form each time: nothing of the last one is left in it.
  const [opened, setOpened] = useState(0);
  const title = useId();
  return (
    <>
      <button
        type="button"
        className={classOf(look)}
        aria-haspopup="dialog"
        onClick={() => {
          setOpened((count) => count + 1);
          dialog.current?.showModal();
        }}
      >
        {trigger}
      </button>
      <dialog ref={dialog} className="dialog" aria-labelledby={title}>
        <Question
          key={opened}
          {...question}
          look={look}
          titleId={title}
          close={() => dialog.current?.close()}
        />
      </dialog>
    </>
  );
}

function Question({
  look,
  title,
  titleId,
  effect,
  action,
  fields,
  reason = "required",
  onConfirm,
  close,
}: Omit<ConfirmProps, "trigger"> & { readonly titleId: string; readonly close: () => void }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm(new FormData(event.currentTarget));
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <h2 id={titleId}>{title}</h2>
      <p className="dialog-text">{effect}</p>
      {fields}
      {reason !== "none" && (
        <label className="field">
          <span>Reason{reason === "optional" && <em> (optional)</em>}</span>
          <textarea
            name="reason"
            rows={3}
            maxLength={REASON_LENGTH}
            required={reason === "required"}
          />
        </label>
      )}
      {error !== undefined && <ErrorPanel error={error} />}
      <div className="dialog-actions">
        <Button onClick={close}>Keep as it is</Button>
        <Button type="submit" look={look === "danger" ? "danger" : "primary"} busy={busy}>
          {action}
        </Button>
      </div>
    </form>
  );
}

import { type InputHTMLAttributes, useId } from "react";
import type { Form } from "./use-form.ts";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "form"> {
  readonly form: Pick<Form, "problems">;
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
}

/** An input with its label, and what is wrong with it. */
export function Field({ form, name, label, hint, ...input }: FieldProps) {
  const id = useId();
  const problem = form.problems[name];
  const described = problem ?? hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        name={name}
        aria-invalid={problem !== undefined || undefined}
        aria-describedby={described === undefined ? undefined : `${id}-more`}
      />
      {described !== undefined && (
        <p id={`${id}-more`} className={problem === undefined ? "hint" : "field-problem"}>
          {described}
        </p>
      )}
    </div>
  );
}

import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type FormEvent, useState } from "react";
import { toProblem } from "../session/errors.ts";
import { problemsOf } from "./rules.ts";

export interface Form {
  /** What is wrong with each field, by its name. */
  readonly problems: Readonly<Record<string, string>>;
  /** An error of the call that is not about one field. */
  readonly error: unknown;
  readonly busy: boolean;
  readonly submit: (event: FormEvent<HTMLFormElement>) => void;
}

/**
 * A form whose fields are those of a request. It checks the schema's own rules before it sends, and
 * shows what the service says of a field at that field.
 */
export function useForm<Desc extends DescMessage>(
  schema: Desc,
  send: (request: MessageShape<Desc>) => Promise<unknown>,
  fixed: Partial<MessageInitShape<Desc>> = {},
): Form {
  const [problems, setProblems] = useState<Readonly<Record<string, string>>>({});
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const typed = Object.fromEntries(new FormData(form));
    const request = create(schema, { ...typed, ...fixed } as MessageInitShape<Desc>);
    const found = problemsOf(schema, request);
    setProblems(found);
    setError(undefined);
    const [first] = Object.keys(found);
    if (first !== undefined) {
      form.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    setBusy(true);
    send(request)
      .catch((thrown: unknown) => {
        const { field, message } = toProblem(thrown);
        const local = schema.fields.find(({ name }) => name === field)?.localName;
        if (local === undefined) setError(thrown);
        else setProblems({ [local]: message });
      })
      .finally(() => setBusy(false));
  };
  return { problems, error, busy, submit };
}

import { Search } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button.tsx";

/** Choices of one filter, as chips; the chosen one is in the URL. */
export function Chips<T extends string>({
  label,
  value,
  choices,
  onChoose,
}: {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly (readonly [T, string])[];
  readonly onChoose: (value: T) => void;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out as a row
    <div className="chips" role="group" aria-label={label}>
      {choices.map(([each, name]) => (
        <button
          key={each}
          type="button"
          className="chip"
          aria-pressed={each === value}
          onClick={() => onChoose(each)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** Goes on to what a whole id names. */
export function Finder({
  label,
  defaultValue = "",
  onFind,
}: {
  readonly label: string;
  readonly defaultValue?: string;
  readonly onFind: (text: string) => void;
}) {
  return (
    <search>
      <form
        className="finder"
        onSubmit={(event) => {
          event.preventDefault();
          onFind(String(new FormData(event.currentTarget).get("id") ?? "").trim());
        }}
      >
        <Search aria-hidden size={16} />
        <input
          key={defaultValue}
          name="id"
          type="search"
          placeholder={label}
          aria-label={label}
          defaultValue={defaultValue}
          autoComplete="off"
          spellCheck={false}
        />
      </form>
    </search>
  );
}

export const More = ({
  visible,
  busy,
  onMore,
}: {
  readonly visible: boolean;
  readonly busy: boolean;
  readonly onMore: () => void;
}): ReactNode =>
  visible && (
    <div className="more">
      <Button onClick={onMore} busy={busy}>
        Load more
      </Button>
    </div>
  );

import { useId, useRef } from "react";
import { Button } from "../ui/button.tsx";
import { inputClass } from "../ui/field.tsx";
import type { Mistake } from "./checked.ts";
import { lineOf, rangeOf } from "./json-place.ts";

/** The JSON, with what is wrong beneath it: each mistake leads to its place. */
export function JsonPane({
  text,
  mistakes,
  tidy,
  readOnly,
  onChange,
}: {
  text: string;
  /** The same, as it is written; null where that would say something else. */
  tidy: string | null;
  mistakes: readonly Mistake[];
  readOnly: boolean;
  onChange: (text: string) => void;
}) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);

  function go({ start, end }: { start: number; end: number }): void {
    const { current } = area;
    if (!current) return;
    current.focus();
    current.setSelectionRange(start, end);
    const lines = current.value.split("\n").length;
    current.scrollTop = (current.scrollHeight / lines) * (lineOf(text, start).line - 4);
  }
  return (
    <div className="flex h-full min-h-96 flex-col lg:sticky lg:top-4 lg:max-h-[85dvh]">
      <div className="mb-1 flex items-center gap-2">
        <label htmlFor={id} className="grow font-medium">
          As JSON
        </label>
        {tidy !== null && tidy !== text && (
          <Button look="quiet" onClick={() => onChange(tidy)}>
            Tidy
          </Button>
        )}
      </div>
      <textarea
        ref={area}
        id={id}
        spellCheck={false}
        readOnly={readOnly}
        wrap="off"
        rows={20}
        className={`${inputClass} grow resize-y overflow-auto font-mono text-xs`}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        aria-invalid={mistakes.length > 0}
        aria-describedby={`${id}-mistakes`}
      />
      <ul id={`${id}-mistakes`} className="mt-1 max-h-40 overflow-auto text-bad text-xs" aria-live="polite">
        {mistakes.map(({ path, message, at }) => {
          const range = at === undefined ? rangeOf(text, path) : { start: at, end: at + 1 };
          const place = range && lineOf(text, range.start);
          return (
            <li key={`${path} ${message}`}>
              {place && range && (
                <>
                  <button type="button" className="underline" onClick={() => go(range)}>
                    line {place.line}
                    {at !== undefined && `, column ${place.column}`}
                  </button>
                  {": "}
                </>
              )}
              {path && <span className="font-mono">{path} </span>}
              {message}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

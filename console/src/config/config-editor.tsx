import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useState } from "react";
import type { z } from "zod";
import { Button } from "../ui/button.tsx";
import { inputClass } from "../ui/field.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { type Body, checked, type Mistake, written } from "./checked.ts";

export interface FormProps {
  body: Body;
  mistakes: readonly Mistake[];
  onChange: (body: Body) => void;
}

/** A body as a form and as JSON, side by side: both are the same, and what is saved is the JSON. */
export function ConfigEditor({
  initial,
  schema,
  form,
  saveLabel,
  save,
}: {
  initial: Body;
  /** The server's own; it comes when it is needed. */
  schema: () => Promise<z.ZodType>;
  form: (props: FormProps) => ReactNode;
  saveLabel: string;
  save: (body: Body) => Promise<unknown>;
}) {
  const [text, setText] = useState(() => written(initial));
  const [body, setBody] = useState(initial);
  const [mistakes, setMistakes] = useState<Mistake[]>([]);
  const id = useId();
  const saving = useMutation({ mutationFn: () => save(JSON.parse(text) as Body) });

  useEffect(() => {
    let over = false;
    void schema().then((loaded) => {
      if (over) return;
      const found = checked(text, loaded);
      setMistakes(found.mistakes);
      if (found.body) setBody(found.body);
    });
    return () => {
      over = true;
    };
  }, [text, schema]);

  return (
    <div>
      {saving.error && (
        <div className="mb-3">
          <ProblemNotice error={saving.error} />
        </div>
      )}
      <div className="grid gap-6 lg:grid-cols-2">
        <div>
          {form({
            body,
            mistakes,
            onChange(changed) {
              setBody(changed);
              setText(written(changed));
            },
          })}
        </div>
        <div className="flex min-h-96 flex-col">
          <label htmlFor={id} className="mb-1 font-medium">
            As JSON
          </label>
          <textarea
            id={id}
            spellCheck={false}
            className={`${inputClass} grow resize-y font-mono text-xs`}
            value={text}
            onChange={(event) => setText(event.target.value)}
            aria-invalid={mistakes.length > 0}
            aria-describedby={`${id}-mistakes`}
          />
          <ul id={`${id}-mistakes`} className="mt-1 text-xs text-bad" aria-live="polite">
            {mistakes.map(({ path, message }) => (
              <li key={`${path} ${message}`}>
                {path && <span className="font-mono">{path}: </span>}
                {message}
              </li>
            ))}
          </ul>
        </div>
      </div>
      <Button
        look="primary"
        className="mt-4"
        busy={saving.isPending}
        disabled={mistakes.length > 0}
        onClick={() => saving.mutate()}
      >
        {saveLabel}
      </Button>
    </div>
  );
}

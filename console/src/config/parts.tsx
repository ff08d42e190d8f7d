import { type ReactNode, useState } from "react";
import { visible } from "../format/text.ts";
import { Button } from "../ui/button.tsx";
import { Field, inputClass } from "../ui/field.tsx";
import { written } from "./checked.ts";
import { same } from "./merge.ts";

/** Parts of forms for what JSON has and a line of text has not. */

/**
 * What is typed, as long as it says what the value is: a comma or an empty line stays while one goes on, and what changes
 * elsewhere shows here. The last says whether the field can say the value at all.
 */
function useDraft<Value, Draft>(
  value: Value,
  draftOf: (value: Value) => Draft,
  read: (draft: Draft) => Value,
  onChange: (value: Value) => void,
): [Draft, (draft: Draft) => void, boolean] {
  const [draft, setDraft] = useState(() => draftOf(value));
  const shown = same(read(draft), value) ? draft : draftOf(value);
  return [
    shown,
    (changed) => {
      setDraft(changed);
      onChange(read(changed));
    },
    same(read(shown), value),
  ];
}

const notHere = "It has what does not fit in here: change it in the JSON.";

interface Labelled {
  label: string;
  hint?: ReactNode;
  mistake?: string | undefined;
}

const codeClass = `${inputClass} font-mono text-xs`;

/** Lines that are no prose. */
const CodeArea = ({
  rows,
  text,
  onText,
  fits = true,
  ...field
}: Labelled & { rows: number; text: string; onText: (text: string) => void; fits?: boolean }) => (
  <Field {...field} hint={fits ? field.hint : notHere}>
    {(about) => (
      <textarea
        {...about}
        rows={rows}
        readOnly={!fits}
        spellCheck={false}
        className={codeClass}
        value={text}
        onChange={(event) => onText(event.target.value)}
      />
    )}
  </Field>
);

/** A list of words: one in a line, or with what sets them `apart` between them. */
export function WordsField({
  value,
  onChange,
  rows = 1,
  apart = /[\s,]+/,
  ...field
}: Labelled & { value: string[]; onChange: (value: string[]) => void; rows?: number; apart?: RegExp }) {
  const between = rows > 1 ? "\n" : " ";
  const [text, setText, fits] = useDraft(
    value,
    (words) => words.join(between),
    (typed) => typed.split(apart).filter((word) => word !== ""),
    onChange,
  );
  if (rows > 1) return <CodeArea {...field} rows={rows} text={text} onText={setText} fits={fits} />;
  return (
    <Field {...field} hint={fits ? field.hint : notHere}>
      {(about) => (
        <input
          {...about}
          readOnly={!fits}
          spellCheck={false}
          className={codeClass}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
    </Field>
  );
}

/** A list of lines. */
export function LinesField({
  value,
  onChange,
  rows = 3,
  ...field
}: Labelled & { value: string[]; onChange: (value: string[]) => void; rows?: number }) {
  const [text, setText, fits] = useDraft(
    value,
    (lines) => lines.join("\n"),
    (typed) => typed.split("\n").filter((line) => line.trim() !== ""),
    onChange,
  );
  return <CodeArea {...field} rows={rows} text={text} onText={setText} fits={fits} />;
}

/** What is too special for a form. A text that is no JSON is a string for the time being, which the schema then refuses. */
export function JsonField({
  value,
  onChange,
  rows = 6,
  ...field
}: Labelled & { value: unknown; onChange: (value: unknown) => void; rows?: number }) {
  const [text, setText] = useDraft(
    value,
    (json) => (typeof json === "string" ? json : json === undefined ? "" : written(json)),
    (typed): unknown => {
      if (typed.trim() === "") return undefined;
      try {
        return JSON.parse(typed);
      } catch {
        return typed;
      }
    },
    onChange,
  );
  return <CodeArea {...field} rows={rows} text={text} onText={setText} />;
}

/** Names and values. */
export function PairsField({
  label,
  mistake,
  value,
  onChange,
}: {
  label: string;
  mistake?: string | undefined;
  value: Record<string, unknown>;
  onChange: (value: Record<string, unknown>) => void;
}) {
  const [pairs, setPairs] = useDraft(
    value,
    (object) => Object.entries(object),
    (typed) => Object.fromEntries(typed.filter(([name, text]) => name !== "" || text !== "")),
    onChange,
  );
  const twice = pairs.find(
    ([name], n) => name !== "" && pairs.findIndex(([other]) => other === name) < n,
  )?.[0];
  const withPair = (place: number, pair: [string, unknown]) =>
    setPairs(pairs.map((one, n) => (n === place ? pair : one)));
  return (
    <Group
      label={label}
      mistake={twice === undefined ? mistake : `“${visible(twice)}” is there twice: only the last is kept.`}
      addLabel="Add a pair"
      add={() => setPairs([...pairs, ["", ""]])}
    >
      {pairs.map(([name, text], n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a pair has no name of its own, and is typed where it stands
        <div key={n} className="flex gap-2">
          <input
            aria-label={`Name ${n + 1} of ${label}`}
            className={`${inputClass} font-mono text-xs`}
            placeholder="name"
            value={name}
            onChange={(event) => withPair(n, [event.target.value, text])}
          />
          <input
            aria-label={`Value ${n + 1} of ${label}`}
            className={inputClass}
            placeholder="value"
            value={typeof text === "string" ? text : JSON.stringify(text)}
            onChange={(event) => withPair(n, [name, event.target.value])}
          />
          <Button
            look="quiet"
            aria-label={`Remove pair ${n + 1} of ${label}`}
            onClick={() => setPairs(pairs.filter((_, place) => place !== n))}
          >
            Remove
          </Button>
        </div>
      ))}
    </Group>
  );
}

/** Several of a kind, and one more by a button. */
export function Group({
  label,
  hint,
  mistake,
  addLabel,
  add,
  children,
}: {
  label: string;
  hint?: ReactNode;
  mistake?: string | undefined;
  addLabel?: string;
  add?: () => void;
  children?: ReactNode;
}) {
  return (
    <fieldset className="min-w-0 space-y-2">
      <legend className="mb-1 font-medium">{label}</legend>
      {children}
      {add && <Button onClick={add}>{addLabel}</Button>}
      {mistake === undefined
        ? hint && <p className="text-muted text-xs">{hint}</p>
        : mistake && <p className="text-bad text-xs">{mistake}</p>}
    </fieldset>
  );
}

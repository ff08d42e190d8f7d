import { type ReactNode, useId } from "react";

export const inputClass = "min-h-8 w-full rounded-md border border-line bg-page px-2 py-1.5";

/** A labelled input, with what is wrong about it beneath. */
export function Field({
  label,
  hint,
  mistake,
  children,
}: {
  label: string;
  hint?: ReactNode;
  mistake?: string | undefined;
  children: (props: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ReactNode;
}) {
  const id = useId();
  const about = `${id}-about`;
  return (
    <div>
      <label htmlFor={id} className="mb-1 block font-medium">
        {label}
      </label>
      {children({ id, "aria-describedby": about, "aria-invalid": mistake !== undefined })}
      <div id={about} className="mt-0.5 text-xs">
        {mistake === undefined ? (
          <span className="text-muted">{hint}</span>
        ) : (
          <span className="text-bad">{mistake}</span>
        )}
      </div>
    </div>
  );
}

/** What a form shows of a value that may be of any type. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** The usual one: a line of text. */
export function TextField({
  label,
  mistake,
  value,
  onChange,
}: {
  label: string;
  mistake?: string | undefined;
  value: unknown;
  onChange: (value: string) => void;
}) {
  return (
    <Field label={label} mistake={mistake}>
      {(props) => (
        <input
          {...props}
          className={inputClass}
          value={textOf(value)}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

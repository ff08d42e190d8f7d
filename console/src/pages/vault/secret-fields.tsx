import { useState } from "react";
import { type Mistake, mistakeAt } from "../../config/checked.ts";
import { Group } from "../../config/parts.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import type { Answers } from "../../vault/credential-auth.ts";

/** The fields of secrets and of what stands beside them. Nothing of what is typed is kept once it is sent. */

export interface AnswerProps {
  answers: Answers;
  mistakes: readonly Mistake[];
  set: (changed: Partial<Answers>) => void;
}

type TextName = { [Name in keyof Answers]: Answers[Name] extends string ? Name : never }[keyof Answers];

export function AnswerField({
  name,
  path,
  label,
  hint,
  placeholder,
  required = false,
  kind = "text",
  answers,
  mistakes,
  set,
}: AnswerProps & {
  name: TextName;
  /** In the body that is sent. */
  path: string;
  label: string;
  hint?: string;
  placeholder?: string;
  required?: boolean;
  kind?: "text" | "secret" | "datetime-local";
}) {
  return (
    <Field label={label} hint={hint} mistake={mistakeAt(mistakes, path)}>
      {(about) => (
        <input
          {...about}
          required={required}
          type={kind === "secret" ? "password" : kind}
          autoComplete={kind === "secret" ? "new-password" : "off"}
          spellCheck={false}
          className={`${inputClass} font-mono`}
          placeholder={placeholder}
          value={answers[name]}
          onChange={(event) => set({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
}

/** Where in a request a secret may stand. */
export const LocationField = ({
  header,
  body,
  mistakes,
  onChange,
}: {
  header: boolean;
  body: boolean;
  mistakes: readonly Mistake[];
  onChange: (changed: { header?: boolean; body?: boolean }) => void;
}) => (
  <Group label="Where in a request it may stand" mistake={mistakeAt(mistakes, "auth.injection_location")}>
    <div className="flex gap-4">
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={header}
          onChange={(event) => onChange({ header: event.target.checked })}
        />
        headers
      </label>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={body}
          onChange={(event) => onChange({ body: event.target.checked })}
        />
        body
      </label>
    </div>
  </Group>
);

/** By what an access token is renewed. */
export function RefreshFields(props: AnswerProps) {
  const { answers, set } = props;
  const [open, setOpen] = useState(false);
  const at = "auth.refresh";
  return (
    <div className="space-y-3 rounded-md border border-line p-3">
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={open}
          onChange={(event) => {
            setOpen(event.target.checked);
            if (!event.target.checked) set({ refresh_token: "", client_secret: "" });
          }}
        />
        The server renews it with a refresh token
      </label>
      {open && (
        <>
          <AnswerField
            {...props}
            required
            name="refresh_token"
            path={`${at}.refresh_token`}
            label="Refresh token"
            kind="secret"
          />
          <AnswerField
            {...props}
            required
            name="token_endpoint"
            path={`${at}.token_endpoint`}
            label="Token endpoint"
            placeholder="https://auth.example.com/token"
          />
          <AnswerField {...props} required name="client_id" path={`${at}.client_id`} label="Client id" />
          <Field label="How the client proves itself">
            {(about) => (
              <select
                {...about}
                className={inputClass}
                value={answers.client_auth}
                onChange={(event) => set({ client_auth: event.target.value as Answers["client_auth"] })}
              >
                <option value="none">not at all: a public client</option>
                <option value="client_secret_basic">by its secret, in a header</option>
                <option value="client_secret_post">by its secret, in the form</option>
              </select>
            )}
          </Field>
          {answers.client_auth !== "none" && (
            <AnswerField
              {...props}
              required
              name="client_secret"
              path={`${at}.token_endpoint_auth`}
              label="Client secret"
              kind="secret"
            />
          )}
          <AnswerField {...props} name="scope" path={`${at}.scope`} label="Scope" hint="May be left out." />
          <AnswerField
            {...props}
            name="resource"
            path={`${at}.resource`}
            label="Resource"
            hint="May be left out."
          />
        </>
      )}
    </div>
  );
}

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Credential } from "../../../../src/protocol/credentials.ts";
import { ask } from "../../api/request.ts";
import { type Mistake, mistakeAt, refusedFields } from "../../config/checked.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass, TextField } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { settingsBody, settingsOf } from "../../vault/credential-auth.ts";
import { LocationField } from "./secret-fields.tsx";

/** What of a credential can be changed, but for its secret. */
export function Settings({
  path,
  credential: shown,
  onDone,
}: {
  path: string;
  credential: Credential;
  onDone: () => void;
}) {
  // What is changed is told from what was shown, whatever has come since.
  const [credential] = useState(shown);
  const [name, setName] = useState(credential.display_name ?? "");
  const [settings, setSettings] = useState(() => settingsOf(credential.auth));
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([]);
  const saving = useMutation({
    mutationFn: () => ask(path, { method: "POST", body: settingsBody(credential, name, settings) }),
    onSuccess: onDone,
    onError: (error) => setMistakes(refusedFields(error, ["auth", "display_name"]) ?? []),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMistakes([]);
    saving.mutate();
  };
  return (
    <form onSubmit={submit} className="space-y-3">
      {saving.error && mistakes.length === 0 && <ProblemNotice error={saving.error} />}
      <TextField label="Name" mistake={mistakeAt(mistakes, "display_name")} value={name} onChange={setName} />
      {settings && (
        <>
          <Field
            label="Hosts that it may be sent to"
            hint="With spaces between them. Without one: to any host."
            mistake={mistakeAt(mistakes, "auth.networking")}
          >
            {(about) => (
              <input
                {...about}
                className={`${inputClass} font-mono`}
                value={settings.hosts}
                onChange={(event) => setSettings({ ...settings, hosts: event.target.value })}
              />
            )}
          </Field>
          <LocationField
            {...settings}
            mistakes={mistakes}
            onChange={(changed) => setSettings({ ...settings, ...changed })}
          />
        </>
      )}
      <p className="text-muted">What it is for cannot change: archive it, and make another one.</p>
      <Button type="submit" look="primary" busy={saving.isPending}>
        Save
      </Button>
    </form>
  );
}

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Credential } from "../../../../src/protocol/credentials.ts";
import { ask } from "../../api/request.ts";
import { type Mistake, mistakeAt, refusedFields } from "../../config/checked.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass, TextField } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { networkingOf } from "../../vault/credential-auth.ts";

/** What of a credential can be changed, but for its secret. */
export function Settings({
  path,
  credential: { auth, display_name },
  onDone,
}: {
  path: string;
  credential: Credential;
  onDone: () => void;
}) {
  const isVariable = auth.type === "environment_variable";
  const [name, setName] = useState(display_name ?? "");
  const [hosts, setHosts] = useState(
    isVariable && auth.networking.type === "limited" ? auth.networking.allowed_hosts.join(" ") : "",
  );
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([]);
  const saving = useMutation({
    mutationFn: () =>
      ask(path, {
        method: "POST",
        body: {
          ...(name !== "" && { display_name: name }),
          ...(isVariable && { auth: { type: auth.type, networking: networkingOf(hosts) } }),
        },
      }),
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
      {isVariable && (
        <Field
          label="Hosts that it may be sent to"
          hint="With spaces between them. Without one: to any host."
          mistake={mistakeAt(mistakes, "auth")}
        >
          {(about) => (
            <input
              {...about}
              className={`${inputClass} font-mono`}
              value={hosts}
              onChange={(event) => setHosts(event.target.value)}
            />
          )}
        </Field>
      )}
      <p className="text-muted">What it is for cannot change: archive it, and make another one.</p>
      <Button type="submit" look="primary" busy={saving.isPending}>
        Save
      </Button>
    </form>
  );
}

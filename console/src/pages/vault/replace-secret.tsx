import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Credential } from "../../../../src/protocol/credentials.ts";
import { ask } from "../../api/request.ts";
import { type Mistake, refusedFields } from "../../config/checked.ts";
import { Button } from "../../ui/button.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { type Answers, noAnswers, replaceBody } from "../../vault/credential-auth.ts";
import { AnswerField } from "./secret-fields.tsx";

/** Another secret for the same thing; sessions that run use it within seconds. */
export function ReplaceSecret({
  path,
  credential,
  onDone,
}: {
  /** Of the credential. */
  path: string;
  credential: Credential;
  onDone: () => void;
}) {
  const { auth } = credential;
  const [answers, setAnswers] = useState(noAnswers);
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([]);
  const replace = useMutation({
    mutationFn: () => ask(path, { method: "POST", body: replaceBody(auth, answers) }),
    // Nothing of what was typed outlives the form.
    gcTime: 0,
    onSuccess() {
      setAnswers(noAnswers);
      onDone();
    },
    onError: (error) => setMistakes(refusedFields(error, ["auth"]) ?? []),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMistakes([]);
    replace.mutate();
  };
  const set = (changed: Partial<Answers>) => setAnswers((before) => ({ ...before, ...changed }));
  const props = { answers, mistakes, set };
  const isOAuth = auth.type === "mcp_oauth";
  const isOver = isOAuth && auth.expires_at !== null && Date.parse(auth.expires_at) <= Date.now();
  const client = isOAuth ? auth.refresh?.token_endpoint_auth.type : undefined;
  return (
    <form onSubmit={submit} className="space-y-3" autoComplete="off">
      {replace.error && mistakes.length === 0 && <ProblemNotice error={replace.error} />}
      <p className="text-muted">
        It takes the place of the old one at once, also in sessions that run. The old one is gone then; revoke
        it where it came from.
      </p>
      <AnswerField
        {...props}
        required={!isOAuth}
        name="secret"
        path={
          isOAuth ? "auth.access_token" : auth.type === "static_bearer" ? "auth.token" : "auth.secret_value"
        }
        label={isOAuth ? "New access token" : "New secret"}
        hint={isOAuth ? "What is left empty stays." : "It cannot be read back."}
        kind="secret"
      />
      {isOAuth && (
        <AnswerField
          {...props}
          name="expires_at"
          path="auth.expires_at"
          label="Expires"
          required={isOver && answers.secret !== ""}
          hint={
            isOver ? "The time of the old one is over: say that of the new one." : "What is left empty stays."
          }
          kind="datetime-local"
        />
      )}
      {isOAuth && auth.refresh && (
        <AnswerField
          {...props}
          name="refresh_token"
          path="auth.refresh.refresh_token"
          label="New refresh token"
          kind="secret"
        />
      )}
      {client !== undefined && client !== "none" && (
        <AnswerField
          {...props}
          name="client_secret"
          path="auth.refresh.token_endpoint_auth"
          label="New client secret"
          kind="secret"
        />
      )}
      <Button type="submit" look="primary" busy={replace.isPending}>
        Replace it
      </Button>
    </form>
  );
}

import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ask } from "../../api/request.ts";
import { type Mistake, refusedFields } from "../../config/checked.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { type Answers, createBody, type Kind, kinds, noAnswers } from "../../vault/credential-auth.ts";
import { AnswerField, LocationField, RefreshFields } from "./secret-fields.tsx";

const targets: Record<Kind, { label: string; placeholder: string; path: string }> = {
  environment_variable: { label: "Variable", placeholder: "GITHUB_TOKEN", path: "auth.secret_name" },
  static_bearer: {
    label: "Address of the MCP server",
    placeholder: "https://mcp.example.com/",
    path: "auth.mcp_server_url",
  },
  mcp_oauth: {
    label: "Address of the MCP server",
    placeholder: "https://mcp.example.com/",
    path: "auth.mcp_server_url",
  },
};
const secretPaths: Record<Kind, string> = {
  environment_variable: "auth.secret_value",
  static_bearer: "auth.token",
  mcp_oauth: "auth.access_token",
};

/** A secret goes to the server and is not kept here: what is shown of it later is that it is there. */
export function NewCredential({ path, onMade }: { path: string; onMade: () => void }) {
  const [kind, setKind] = useState<Kind>("environment_variable");
  const [answers, setAnswers] = useState(noAnswers);
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([]);
  const create = useMutation({
    mutationFn: async () => {
      const body = createBody(kind, answers);
      const found = await problemsOf(body);
      setMistakes(found);
      if (found.length > 0) return;
      await ask(`${path}/credentials`, { method: "POST", body });
      setAnswers(noAnswers);
      onMade();
    },
    // Nothing of what was typed outlives the form.
    gcTime: 0,
    onError: (error) => setMistakes(refusedFields(error, ["auth", "display_name"]) ?? []),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const set = (changed: Partial<Answers>) => setAnswers((before) => ({ ...before, ...changed }));
  const props = { answers, mistakes, set };
  const isVariable = kind === "environment_variable";
  return (
    <form onSubmit={submit} className="space-y-3" autoComplete="off">
      {create.error && mistakes.length === 0 && <ProblemNotice error={create.error} />}
      <Field label="Kind">
        {(about) => (
          <select
            {...about}
            className={inputClass}
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as Kind);
              setMistakes([]);
              // What is not seen any more is not sent.
              set({ refresh_token: "", client_secret: "" });
            }}
          >
            {Object.entries(kinds).map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      <AnswerField {...props} required name="target" {...targets[kind]} />
      {isVariable && (
        <>
          <AnswerField
            {...props}
            name="hosts"
            path="auth.networking"
            label="Hosts that it may be sent to"
            hint="With spaces between them. Without one: to any host, which a program that is led astray can name too."
            placeholder="api.github.com"
          />
          <LocationField
            header={answers.in_header}
            body={answers.in_body}
            mistakes={mistakes}
            onChange={({ header = answers.in_header, body = answers.in_body }) =>
              set({ in_header: header, in_body: body })
            }
          />
        </>
      )}
      <AnswerField
        {...props}
        required
        name="secret"
        path={secretPaths[kind]}
        label={kind === "mcp_oauth" ? "Access token" : "Secret"}
        hint="It cannot be read back."
        kind="secret"
      />
      {kind === "mcp_oauth" && (
        <>
          <AnswerField
            {...props}
            name="expires_at"
            path="auth.expires_at"
            label="Expires"
            hint="May be left out where nobody knows."
            kind="datetime-local"
          />
          <RefreshFields {...props} />
          <p className="text-muted">
            <code className="font-mono">drover vaults authorize</code> gets all of this by itself, with a
            browser.
          </p>
        </>
      )}
      <AnswerField
        {...props}
        name="display_name"
        path="display_name"
        label="Name"
        hint="What it is called in lists."
      />
      <Button type="submit" look="primary" busy={create.isPending}>
        Put it into the vault
      </Button>
    </form>
  );
}

/** In the words of the server, before anything is sent; no message has anything of a secret. */
async function problemsOf(body: object): Promise<Mistake[]> {
  const [{ createCredentialBody }, { problemsWith }] = await Promise.all([
    import("../../../../src/protocol/credentials.ts"),
    import("../../../../src/protocol/problems.ts"),
  ]);
  return problemsWith(createCredentialBody, body).map(({ path, message }) => ({
    path: path.join("."),
    message,
  }));
}

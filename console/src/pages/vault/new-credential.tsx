import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ask } from "../../api/request.ts";
import { Button } from "../../ui/button.tsx";
import { Field, inputClass } from "../../ui/field.tsx";
import { ProblemNotice } from "../../ui/notice.tsx";
import { Select } from "../../ui/select.tsx";

const kinds = {
  environment_variable: "a variable that commands in sandboxes use",
  static_bearer: "a token of an MCP server",
} as const;
type Kind = keyof typeof kinds;

/** A secret goes to the server and is not kept here: what is shown of it later is that it is there. */
export function NewCredential({ path, onMade }: { path: string; onMade: () => void }) {
  const [kind, setKind] = useState<Kind>("environment_variable");
  const [name, setName] = useState("");
  const [target, setTarget] = useState("");
  const [hosts, setHosts] = useState("");
  const [secret, setSecret] = useState("");
  const create = useMutation({
    mutationFn: () =>
      ask(`${path}/credentials`, {
        method: "POST",
        body: { ...(name && { display_name: name }), auth: authOf(kind, target, hosts, secret) },
      }),
    onSuccess() {
      setSecret("");
      onMade();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const isVariable = kind === "environment_variable";
  return (
    <form onSubmit={submit} className="space-y-3" autoComplete="off">
      {create.error && <ProblemNotice error={create.error} />}
      <Select label="Kind" value={kind} choices={kinds} onChange={setKind} />
      <Field label={isVariable ? "Variable" : "Address of the MCP server"}>
        {(props) => (
          <input
            {...props}
            required
            className={`${inputClass} font-mono`}
            placeholder={isVariable ? "GITHUB_TOKEN" : "https://mcp.example.com/"}
            value={target}
            onChange={(event) => setTarget(event.target.value)}
          />
        )}
      </Field>
      {isVariable && (
        <Field
          label="Hosts that it may be sent to"
          hint="With spaces between them. Without one: to any host."
        >
          {(props) => (
            <input
              {...props}
              className={`${inputClass} font-mono`}
              placeholder="api.github.com"
              value={hosts}
              onChange={(event) => setHosts(event.target.value)}
            />
          )}
        </Field>
      )}
      <Field label="Secret" hint="It cannot be read back.">
        {(props) => (
          <input
            {...props}
            required
            type="password"
            autoComplete="new-password"
            className={`${inputClass} font-mono`}
            value={secret}
            onChange={(event) => setSecret(event.target.value)}
          />
        )}
      </Field>
      <Field label="Name" hint="What it is called in lists.">
        {(props) => (
          <input
            {...props}
            maxLength={255}
            className={inputClass}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <p className="text-muted">
        An MCP server that wants OAuth is authorized by{" "}
        <code className="font-mono">drover vaults authorize</code>.
      </p>
      <Button type="submit" look="primary" busy={create.isPending}>
        Put it into the vault
      </Button>
    </form>
  );
}

function authOf(kind: Kind, target: string, hosts: string, secret: string) {
  if (kind === "static_bearer") return { type: kind, mcp_server_url: target, token: secret };
  const allowed_hosts = hosts.split(/[\s,]+/).filter((host) => host !== "");
  return {
    type: kind,
    secret_name: target,
    secret_value: secret,
    networking: allowed_hosts.length > 0 ? { type: "limited", allowed_hosts } : { type: "unrestricted" },
  };
}

import type { Credential } from "../../../src/protocol/credentials.ts";

/** What is asked of a person for each kind of credential, and what is sent of it. */

export const kinds: Record<Credential["auth"]["type"], string> = {
  environment_variable: "a variable that commands in sandboxes use",
  static_bearer: "a token of an MCP server",
  mcp_oauth: "OAuth of an MCP server",
};
export type Kind = keyof typeof kinds;

export interface Answers {
  display_name: string;
  target: string;
  /** With spaces between them; without one, any. */
  hosts: string;
  in_header: boolean;
  in_body: boolean;
  secret: string;
  expires_at: string;
  refresh_token: string;
  token_endpoint: string;
  client_id: string;
  client_auth: "none" | "client_secret_basic" | "client_secret_post";
  client_secret: string;
  scope: string;
  resource: string;
}

export const noAnswers: Answers = {
  display_name: "",
  target: "",
  hosts: "",
  in_header: true,
  in_body: true,
  secret: "",
  expires_at: "",
  refresh_token: "",
  token_endpoint: "",
  client_id: "",
  client_auth: "none",
  client_secret: "",
  scope: "",
  resource: "",
};

export const networkingOf = (hosts: string) => {
  const allowed_hosts = hosts.split(/[\s,]+/).filter((host) => host !== "");
  return allowed_hosts.length > 0 ? { type: "limited", allowed_hosts } : { type: "unrestricted" };
};

/** A field of the browser has no zone: it is the one of whoever types. */
const timeOf = (local: string) => (local === "" ? undefined : new Date(local).toISOString());

/** The body that makes a credential. */
export function createBody(kind: Kind, answers: Answers): object {
  const { display_name } = answers;
  return { ...(display_name !== "" && { display_name }), auth: authOf(kind, answers) };
}

function authOf(kind: Kind, answers: Answers): object {
  const { target, secret, hosts, in_header, in_body } = answers;
  switch (kind) {
    case "static_bearer":
      return { type: kind, mcp_server_url: target, token: secret };
    case "environment_variable":
      return {
        type: kind,
        secret_name: target,
        secret_value: secret,
        networking: networkingOf(hosts),
        injection_location: { header: in_header, body: in_body },
      };
    case "mcp_oauth": {
      const expires_at = timeOf(answers.expires_at);
      return {
        type: kind,
        mcp_server_url: target,
        access_token: secret,
        ...(expires_at && { expires_at }),
        ...(answers.refresh_token !== "" && { refresh: refreshOf(answers) }),
      };
    }
  }
}

function refreshOf(answers: Answers): object {
  const { token_endpoint, client_id, refresh_token, client_auth, client_secret, scope, resource } = answers;
  return {
    token_endpoint,
    client_id,
    refresh_token,
    token_endpoint_auth: { type: client_auth, ...(client_auth !== "none" && { client_secret }) },
    ...(scope !== "" && { scope }),
    ...(resource !== "" && { resource }),
  };
}

/** The body that puts another secret in the place of the one that is there. What is left empty stays. */
export function replaceBody(auth: Credential["auth"], answers: Answers): object {
  const { secret, refresh_token, client_secret } = answers;
  switch (auth.type) {
    case "static_bearer":
      return { auth: { type: auth.type, token: secret } };
    case "environment_variable":
      return { auth: { type: auth.type, secret_value: secret } };
    case "mcp_oauth": {
      const expires_at = timeOf(answers.expires_at);
      const client = auth.refresh?.token_endpoint_auth.type;
      const refresh = {
        ...(refresh_token !== "" && { refresh_token }),
        ...(client_secret !== "" &&
          client !== undefined &&
          client !== "none" && { token_endpoint_auth: { type: client, client_secret } }),
      };
      return {
        auth: {
          type: auth.type,
          ...(secret !== "" && { access_token: secret }),
          ...(expires_at && { expires_at }),
          ...(Object.keys(refresh).length > 0 && { refresh }),
        },
      };
    }
  }
}

export interface VariableSettings {
  hosts: string;
  header: boolean;
  body: boolean;
}

/** As it is shown to be changed; null of what is no variable. */
export const settingsOf = (auth: Credential["auth"]): VariableSettings | null =>
  auth.type === "environment_variable"
    ? {
        hosts: auth.networking.type === "limited" ? auth.networking.allowed_hosts.join(" ") : "",
        ...auth.injection_location,
      }
    : null;

/**
 * The body that changes what is not secret. What was left as it was is not named: somebody else may have narrowed it since it
 * was shown.
 */
export function settingsBody(
  { auth, display_name }: Pick<Credential, "auth" | "display_name">,
  name: string,
  settings: VariableSettings | null,
): object {
  const before = settingsOf(auth);
  const changed = before &&
    settings && {
      ...(settings.hosts.trim() !== before.hosts && { networking: networkingOf(settings.hosts) }),
      ...((settings.header !== before.header || settings.body !== before.body) && {
        injection_location: { header: settings.header, body: settings.body },
      }),
    };
  return {
    ...(name !== (display_name ?? "") && { display_name: name }),
    ...(changed && Object.keys(changed).length > 0 && { auth: { type: auth.type, ...changed } }),
  };
}

export function targetOf(auth: Credential["auth"]): string {
  if (auth.type !== "environment_variable") return auth.mcp_server_url;
  const hosts = auth.networking.type === "limited" ? auth.networking.allowed_hosts.join(", ") : "any host";
  return `${auth.secret_name}, sent to ${hosts}`;
}

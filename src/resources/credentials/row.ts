import type { Credential, CredentialAuth, CredentialAuthParams } from "../../protocol/credentials.ts";
import { type ApiError, conflict, notFound } from "../../protocol/errors.ts";
import { mcpKeyOf } from "../../protocol/mcp-url.ts";
import type { CredentialSecret } from "../../vault/secrets.ts";

export interface CredentialRow extends Omit<Credential, "type" | "refresh_failure"> {
  /** Null where the secret is not the one whose refresh has failed last. */
  failure: string | null;
  failures: number | null;
  retry_at: string | null;
}

export const toCredential = ({
  id,
  vault_id,
  failure,
  failures,
  retry_at,
  ...row
}: CredentialRow): Credential => ({
  id,
  type: "vault_credential",
  vault_id,
  ...row,
  ...(failure !== null &&
    failures !== null &&
    retry_at !== null && { refresh_failure: { message: failure, count: failures, retry_at } }),
});

/** Of `credential c`: what clients may see of it. */
export const credentialColumns = `c.id, c.vault_id, c.display_name, c.metadata, c.auth, c.created_at, c.updated_at,
  c.archived_at, ${["failure", "failures"].map((name) => `${ofFailed(`c.refresh_${name}`)} as ${name}`).join(", ")},
  ${ofFailed("c.refresh_rest_until")} as retry_at`;

function ofFailed(column: string): string {
  return `case when c.refresh_failed_version = c.secret_version and c.archived_at is null then ${column} end`;
}

/** What a credential is for: no two active ones of a vault have the same. */
export function keyOf(auth: CredentialAuth): string {
  if (auth.type === "environment_variable") return `env ${auth.secret_name}`;
  const key = mcpKeyOf(auth.mcp_server_url);
  if (key === null) throw new Error(`${auth.mcp_server_url} was taken for a URL, and is none`);
  return key;
}

/** What is sealed of a new one. */
export function createdSecret(params: CredentialAuthParams): CredentialSecret {
  switch (params.type) {
    case "static_bearer":
      return { type: params.type, token: params.token };
    case "mcp_oauth": {
      const { type, access_token, refresh } = params;
      const way = refresh?.token_endpoint_auth;
      const client_secret = way && way.type !== "none" ? way.client_secret : null;
      return { type, access_token, refresh_token: refresh?.refresh_token ?? null, client_secret };
    }
    case "environment_variable":
      return { type: params.type, secret_value: params.secret_value };
  }
}

export const vaultNotFound = (id: string): ApiError => notFound(`vault ${id} not found`);
export const credentialNotFound = (id: string): ApiError => notFound(`credential ${id} not found`);

export const credentialExists = (auth: CredentialAuth): ApiError =>
  conflict(
    auth.type === "environment_variable"
      ? "A credential already exists for this secret name."
      : "A credential already exists for this MCP server URL.",
  );

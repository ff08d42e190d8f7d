import type { Database, Statement } from "../../db/database.ts";
import type { Guard } from "../../net/guard.ts";
import type { CredentialValidation } from "../../protocol/credential-validation.ts";
import { invalid } from "../../protocol/errors.ts";
import { type Probe, probeMcp } from "../../vault/mcp-probe.ts";
import { isRefusal } from "../../vault/oauth.ts";
import type { Seal } from "../../vault/seal.ts";
import { type CredentialSecret, credentialPlace, credentialSecret, openAs } from "../../vault/secrets.ts";
import type { Refreshing } from "./refresh.ts";
import {
  type CredentialRow,
  credentialColumns,
  credentialNotFound,
  toCredential,
  vaultNotFound,
} from "./row.ts";

export interface ValidateParts {
  seal: Pick<Seal, "open">;
  guard: Guard;
  refreshing: Pick<Refreshing, "refresh">;
  /** Of the server. */
  version: string;
}

interface WholeRow extends CredentialRow {
  secret: string;
  secret_version: number;
}

const selectWhole: Statement = {
  name: "credential_validate",
  text: `
select ${credentialColumns}, c.secret, c.secret_version, drover_now() as now
from vault v left join credential c on c.vault_id = v.id and c.id = $3
where v.id = $2 and v.workspace_id = $1`,
};

/** As far as it came: the rest is the same in every answer. */
type Verdict = Pick<CredentialValidation, "status" | "mcp_probe" | "refresh">;

/**
 * Sees whether an OAuth credential works, by asking its MCP server with it; refreshes it where that does not take its token, and
 * keeps what comes of that.
 */
export async function validateCredential(
  db: Database,
  { seal, guard, refreshing, version }: ValidateParts,
  workspaceId: string,
  vaultId: string,
  id: string,
): Promise<CredentialValidation> {
  const found = await load();
  const verdict = await judge(found);
  return {
    type: "vault_credential_validation",
    credential_id: id,
    vault_id: vaultId,
    status: verdict.status,
    has_refresh_token: found.secret.refresh_token !== null,
    validated_at: found.now,
    mcp_probe: verdict.mcp_probe,
    refresh: verdict.refresh,
  };

  async function load() {
    const values = [workspaceId, vaultId, id];
    const [row] = await db.query<{ now: string } & (WholeRow | { id: null })>(selectWhole, values);
    if (!row) throw vaultNotFound(vaultId);
    if (row.id === null) throw credentialNotFound(id);
    const { now, secret: sealed, secret_version, ...shown } = row;
    const { auth, archived_at } = toCredential(shown);
    if (auth.type !== "mcp_oauth")
      throw invalid(`credential ${id} is of the type ${auth.type}: only mcp_oauth can be validated`);
    if (archived_at !== null) throw invalid(`credential ${id} is archived: it has no secret any more`);
    const secret = await openAs(credentialSecret, seal, sealed, credentialPlace(workspaceId, id));
    if (secret.type !== "mcp_oauth") throw new Error(`the secret of ${id} is that of a ${secret.type}`);
    return { now, url: auth.mcp_server_url, secret, secret_version };
  }

  async function judge({ url, secret, secret_version }: Awaited<ReturnType<typeof load>>): Promise<Verdict> {
    const first = await probe(url, secret);
    if (first.status === "accepted") return accepted;
    if (first.http_response?.status_code !== 401) return refusedBy(first, null);
    const none: Verdict["refresh"] = { status: "no_refresh_token", http_response: null };
    if (secret.refresh_token === null) return refusedBy(first, none);
    const at = { workspace_id: workspaceId, credential_id: id, secret_version };
    const refreshed = await refreshing.refresh(at, { anyhow: true, wait: true });
    switch (refreshed.status) {
      case "renewed":
      case "gone": {
        // Of one that is gone, this says so.
        const renewed = await load();
        const second = await probe(renewed.url, renewed.secret, secret);
        const refresh = { status: "succeeded" as const, http_response: null };
        return second.status === "accepted" ? { ...accepted, refresh } : refusedBy(second, refresh);
      }
      case "no_refresh_token":
        return refusedBy(first, none);
      case "failed": {
        const { is_refusal, http_response } = refreshed;
        const refresh = { status: "failed" as const, http_response };
        return { ...refusedBy(first, refresh), status: is_refusal ? "invalid" : "unknown" };
      }
      case "connect_error":
        return {
          ...refusedBy(first, { status: "connect_error", http_response: null }),
          status: "unknown",
        };
      case "resting":
      case "busy":
        return { ...refusedBy(first, null), status: "unknown" };
    }
  }

  function probe(url: string, secret: OAuthSecret, before?: OAuthSecret): Promise<Probe> {
    const secrets = [secret, ...(before ? [before] : [])].flatMap((each) =>
      [each.access_token, each.refresh_token, each.client_secret].filter((one) => one !== null),
    );
    return probeMcp(guard, { url, token: secret.access_token, version, secrets });
  }
}

type OAuthSecret = Extract<CredentialSecret, { type: "mcp_oauth" }>;

const accepted: Verdict = { status: "valid", mcp_probe: null, refresh: null };

function refusedBy(probe: Extract<Probe, { status: "failed" }>, refresh: Verdict["refresh"]): Verdict {
  const { method, http_response } = probe;
  const status = http_response !== null && isRefusal(http_response.status_code) ? "invalid" : "unknown";
  return { status, mcp_probe: { method, http_response }, refresh };
}

import type { Database, Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import { mcpKeyOf } from "../../protocol/mcp-url.ts";
import { NotGenuine, type Seal, UnknownMasterKey } from "../../vault/seal.ts";
import {
  type CredentialSecret,
  CredentialUnusable,
  credentialPlace,
  credentialSecret,
  type McpBearer,
  type McpBearers,
  openAs,
} from "../../vault/secrets.ts";
import { type NewUse, noteUses } from "../credential-uses/note.ts";
import type { Refreshed, Refreshing } from "./refresh.ts";

export interface BearersParts {
  db: Database;
  seal: Pick<Seal, "open">;
  refreshing: Pick<Refreshing, "refresh">;
  trouble(message: string, error: unknown, sessionId?: string): void;
}

interface Found {
  id: string;
  vault_id: string;
  secret: string;
  secret_version: number;
  /** It expires soon, or has. */
  is_due: boolean;
  has_expired: boolean;
}

// What was refreshed or changed last was new then: of a token that lives for seconds a tenth is early enough.
const early = `least($4 * interval '1 millisecond', greatest(c.expires_at - c.updated_at, interval '0') / 10)`;

// Of a vault that was archived all credentials are.
const findFirst: Statement = {
  name: "bearer_find",
  text: `
select c.id, c.vault_id, c.secret, c.secret_version,
  coalesce(c.expires_at - ${early} <= drover_now(), false) as is_due, coalesce(c.expires_at <= drover_now(), false) as has_expired
from session s cross join unnest(s.vault_ids) with ordinality as v (id, n)
cross join lateral (
  select id, vault_id, secret, secret_version, updated_at, (auth ->> 'expires_at')::timestamptz as expires_at
  from credential where vault_id = v.id and key = $3 and archived_at is null and workspace_id = s.workspace_id) c
where s.workspace_id = $1 and s.id = $2 and c.secret is not null
order by v.n limit 1`,
};

const keyOf: Statement = {
  name: "bearer_key",
  text: "select key from credential where workspace_id = $1 and id = $2",
};

/** The bearers of the sessions' MCP servers, from the vaults in the database. */
export function createBearers({ db, seal, refreshing, trouble }: BearersParts): McpBearers {
  function noteUse(workspaceId: string, sessionId: string, use: NewUse): void {
    noteUses(db, workspaceId, sessionId, [use]).catch((error) =>
      trouble(`a use of ${use.id} could not be written down`, error, sessionId),
    );
  }

  async function findByKey(workspaceId: string, sessionId: string, key: string): Promise<Found | null> {
    const values = [workspaceId, sessionId, key, limits.oauth_leeway_ms];
    const [found] = await db.query<Found>(findFirst, values);
    return found ?? null;
  }

  async function open(workspaceId: string, { id, secret }: Found): Promise<CredentialSecret> {
    try {
      return await openAs(credentialSecret, seal, secret, credentialPlace(workspaceId, id));
    } catch (error) {
      if (!(error instanceof UnknownMasterKey) && !(error instanceof NotGenuine)) throw error;
      trouble(`the secret of the credential ${id} cannot be opened`, error);
      throw new CredentialUnusable(`the secret of the credential ${id} cannot be opened by this server`);
    }
  }

  const refresh = (workspaceId: string, sessionId: string, { id, secret_version }: Found, wait: boolean) =>
    refreshing.refresh(
      { workspace_id: workspaceId, credential_id: id, secret_version },
      {
        anyhow: false,
        wait,
        onAsked: (host, outcome) =>
          noteUse(workspaceId, sessionId, { id, kind: "oauth_refresh", host, outcome }),
      },
    );

  /** `refused`: the one that a server has just not taken. */
  async function bearerOf(
    workspaceId: string,
    sessionId: string,
    key: string,
    refused: McpBearer | null,
  ): Promise<McpBearer | null> {
    /** What was refreshed on the way: it is as new as can be, however soon it expires. */
    let renewed: string | null = null;
    // A newer secret may be refused too, and one that is gone leaves its place to the next vault's.
    for (let round = 0; round < limits.oauth_rounds_max; round += 1) {
      const found = await findByKey(workspaceId, sessionId, key);
      if (!found) return null;
      const secret = await open(workspaceId, found);
      const { id: credential_id, vault_id, secret_version } = found;
      const bearer = (token: string): McpBearer => ({ credential_id, vault_id, token, secret_version });
      const wasRefused =
        refused?.credential_id === credential_id && refused.secret_version === secret_version;
      if (secret.type === "static_bearer") return wasRefused ? null : bearer(secret.token);
      if (secret.type !== "mcp_oauth") return null;
      if (secret.refresh_token === null) return wasRefused ? null : bearer(secret.access_token);
      if (!wasRefused && (!found.is_due || renewed === credential_id)) return bearer(secret.access_token);
      const isNeeded = wasRefused || found.has_expired;
      const refreshed = await refresh(workspaceId, sessionId, found, isNeeded);
      if (refreshed.status === "renewed") renewed = credential_id;
      if (refreshed.status === "renewed" || refreshed.status === "gone") continue;
      if (!isNeeded) return bearer(secret.access_token);
      const has = wasRefused ? "was refused" : "has expired";
      throw new CredentialUnusable(`the access token of ${credential_id} ${has}, and ${wordsOf(refreshed)}`);
    }
    throw new CredentialUnusable("the credential changes all the time");
  }

  return {
    async find(workspaceId, sessionId, serverUrl) {
      const key = mcpKeyOf(serverUrl);
      return key === null ? null : bearerOf(workspaceId, sessionId, key, null);
    },
    async renew(workspaceId, sessionId, refused) {
      const [row] = await db.query<{ key: string }>(keyOf, [workspaceId, refused.credential_id]);
      return row ? bearerOf(workspaceId, sessionId, row.key, refused) : null;
    },
    note(workspaceId, sessionId, { credential_id }, host, outcome) {
      noteUse(workspaceId, sessionId, { id: credential_id, kind: "mcp", host, outcome });
    },
  };
}

function wordsOf(refreshed: Exclude<Refreshed, { status: "renewed" | "gone" }>): string {
  switch (refreshed.status) {
    case "no_refresh_token":
      return "there is no refresh token";
    case "busy":
      return "another server has not finished refreshing it";
    case "resting":
    case "failed":
    case "connect_error":
      return `it could not be refreshed: ${refreshed.why}`;
  }
}

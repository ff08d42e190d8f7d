import type { FakeOAuth } from "../../../test/fakes/oauth.ts";
import type { Database } from "../../db/database.ts";
import { newId } from "../../protocol/ids.ts";
import { mcpKeyOf } from "../../protocol/mcp-url.ts";
import type { Seal } from "../../vault/seal.ts";
import { type CredentialSecret, credentialPlace, credentialSecret, openAs } from "../../vault/secrets.ts";
import { vaultRows } from "../session-pass/testing.ts";

export interface OAuthOf {
  url?: string;
  /** Seconds from now, to when the access token is good. */
  expires_in?: number | null;
  refresh?: false | { client_secret: string | null; type: string };
}

/** Rows of credentials for MCP servers as the API would write them, for tests of what lies below it. */
export function mcpRows(db: Database, seal: Seal, workspaceId = "w") {
  const rows = vaultRows(db, seal, workspaceId);

  async function credential(vaultId: string, url: string, auth: object, secret: CredentialSecret) {
    const id = newId("credential");
    const sealed = await seal.seal(JSON.stringify(secret), credentialPlace(workspaceId, id));
    const values = [workspaceId, vaultId, id, JSON.stringify(auth), mcpKeyOf(url), sealed];
    await rows.run(
      `insert into credential (workspace_id, vault_id, id, metadata, auth, key, secret, created_at, updated_at)
        values ($1, $2, $3, '{}', $4, $5, $6, drover_now() - interval '1 hour', drover_now() - interval '1 hour')`,
      values,
    );
    return id;
  }

  return {
    ...rows,
    bearer: (vaultId: string, url: string, token: string) =>
      credential(
        vaultId,
        url,
        { type: "static_bearer", mcp_server_url: url },
        { type: "static_bearer", token },
      ),
    /** With the tokens that the fake has at the time. */
    async oauth(vaultId: string, fake: FakeOAuth, options: OAuthOf = {}): Promise<string> {
      const { url = fake.mcp_url, expires_in = null, refresh } = options;
      const way = refresh ?? { type: "none", client_secret: null };
      const auth = {
        type: "mcp_oauth",
        mcp_server_url: url,
        expires_at: expires_in === null ? null : new Date(Date.now() + expires_in * 1_000).toISOString(),
        refresh: way && {
          token_endpoint: fake.token_endpoint,
          client_id: "client",
          token_endpoint_auth: { type: way.type },
          scope: null,
          resource: null,
        },
      };
      return credential(vaultId, url, way ? auth : { ...auth, refresh: null }, {
        type: "mcp_oauth",
        access_token: fake.access_token,
        refresh_token: way ? fake.refresh_token : null,
        client_secret: way ? way.client_secret : null,
      });
    },
    async secretOf(id: string) {
      const [row] = (await rows.run("select * from credential where id = $1", [id])) as [
        {
          secret: string;
          secret_version: number;
          refresher: string | null;
          auth: { expires_at: string | null };
        },
      ];
      const secret = await openAs(credentialSecret, seal, row.secret, credentialPlace(workspaceId, id));
      return { ...row, secret };
    },
    /** As a client does it. */
    async replace(id: string, secret: CredentialSecret): Promise<void> {
      const sealed = await seal.seal(JSON.stringify(secret), credentialPlace(workspaceId, id));
      await rows.run("update credential set secret = $2, secret_version = secret_version + 1 where id = $1", [
        id,
        sealed,
      ]);
    },
    archive: (id: string) =>
      rows.run("update credential set archived_at = drover_now(), secret = null where id = $1", [id]),
    uses: (sessionId: string) =>
      rows.run(
        "select credential_id, type, host, outcome from credential_use where session_id = $1 order by created_at",
        [sessionId],
      ),
  };
}

import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsCredential as Credential,
  BetaManagedAgentsMCPOAuthRefreshParams as RefreshParams,
} from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import type { Granted } from "../../authorize/authorize.ts";
import { NotAuthorized } from "../../authorize/failed.ts";
import { normalMcpUrl } from "../../protocol/mcp-url.ts";

/** Where a credential goes, found before anybody is asked for their consent. */
export interface Place {
  /** Null: a new vault. */
  vault_id: string | null;
  /** The credential for the same server that is there already. */
  before: Credential | null;
  /** What that one may do, as far as it was authorized by this command. */
  scope: string | null;
}

type OAuthOf = Extract<Credential["auth"], { type: "mcp_oauth" }>;

export async function findPlace(client: Anthropic, server: URL, vault: string | null): Promise<Place> {
  const vault_id = vault ?? (await onlyVault(client));
  if (vault_id === null) return { vault_id, before: null, scope: null };
  const wanted = normalMcpUrl(server.href);
  for await (const credential of client.beta.vaults.credentials.list(vault_id)) {
    const { auth, id } = credential;
    if (auth.type === "environment_variable" || normalMcpUrl(auth.mcp_server_url) !== wanted) continue;
    if (auth.type === "mcp_oauth")
      return { vault_id, before: credential, scope: credential.metadata.scope ?? null };
    throw new NotAuthorized(
      `vault ${vault_id} has a credential of the type ${auth.type} for this server, ${id}: archive it first, or choose another vault with --vault`,
    );
  }
  return { vault_id, before: null, scope: null };
}

async function onlyVault(client: Anthropic): Promise<string | null> {
  const found: string[] = [];
  for await (const { id } of client.beta.vaults.list({ limit: 2 })) {
    found.push(id);
    if (found.length > 1)
      throw new NotAuthorized(
        "there are several vaults: choose one with --vault (drover vaults list shows them)",
      );
  }
  return found[0] ?? null;
}

interface Storing {
  server: URL;
  granted: Granted;
  name: string | null;
}

/** In the place of the one before: as that one where it is of the same client, else as a new one, and that one is archived. */
export async function storeGranted(
  client: Anthropic,
  { vault_id: known, before }: Place,
  { server, granted, name }: Storing,
): Promise<Credential> {
  const { vaults } = client.beta;
  const { access_token } = granted;
  const expires_at =
    granted.expires_in_s === null ? null : new Date(Date.now() + granted.expires_in_s * 1_000).toISOString();
  const scope = granted.scope !== null && granted.scope.length <= metadata_chars_max ? granted.scope : null;
  const refresh = refreshOf(granted);
  if (known !== null && before?.auth.type === "mcp_oauth" && isSame(before.auth, refresh, expires_at)) {
    const { id, display_name } = before;
    const auth = { type: "mcp_oauth" as const, access_token, expires_at };
    return vaults.credentials.update(id, {
      vault_id: known,
      auth: refresh
        ? { ...auth, refresh: { refresh_token: refresh.refresh_token, ...authOf(refresh) } }
        : auth,
      display_name: name ?? display_name ?? null,
      metadata: { scope },
    });
  }
  const vault_id = known ?? (await vaults.create({ display_name: "Drover" })).id;
  // A vault has one for each server.
  if (before) await vaults.credentials.archive(before.id, { vault_id });
  const created = vaults.credentials.create(vault_id, {
    auth: { type: "mcp_oauth", mcp_server_url: server.href, access_token, expires_at, refresh },
    display_name: name ?? before?.display_name ?? null,
    metadata: metadataOf(before, scope),
  });
  return before ? created.catch((error) => notReplaced(before.id, error)) : created;
}

function metadataOf(before: Credential | null, scope: string | null): Record<string, string> {
  const { scope: _, ...others } = before?.metadata ?? {};
  return scope === null ? others : { ...others, scope };
}

function notReplaced(id: string, error: unknown): never {
  const why = error instanceof Error ? error.message : String(error);
  throw new NotAuthorized(
    `${id} is archived, and the new credential could not be stored: ${why}; run this again`,
  );
}

/** Of the API. */
const metadata_chars_max = 512;

/** Without a scope: it is refreshed with all that was granted. */
function refreshOf({ refresh }: Granted): RefreshParams | null {
  if (!refresh) return null;
  const { method, client_secret, ...shown } = refresh;
  return {
    ...shown,
    token_endpoint_auth:
      method === "none" ? { type: method } : { type: method, client_secret: client_secret ?? "" },
  };
}

/** Whom it is refreshed by cannot change, and what is left out of an update stays. */
function isSame(before: OAuthOf, refresh: RefreshParams | null, expires_at: string | null): boolean {
  if (before.expires_at && expires_at === null) return false;
  const [old, next] = [before.refresh ?? null, refresh];
  if (!old || !next) return old === next;
  return (
    old.token_endpoint === next.token_endpoint &&
    old.client_id === next.client_id &&
    (old.resource ?? null) === (next.resource ?? null) &&
    !old.scope &&
    old.token_endpoint_auth.type === next.token_endpoint_auth.type
  );
}

const authOf = ({ token_endpoint_auth }: RefreshParams) =>
  token_endpoint_auth.type === "none" ? {} : { token_endpoint_auth };

import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsCredential as Credential,
  BetaManagedAgentsMCPOAuthRefreshParams as RefreshParams,
} from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import type { Granted } from "../../authorize/authorize.ts";
import { NotAuthorized } from "../../authorize/failed.ts";
import { limits } from "../../limits.ts";
import { type CreateCredential, createCredentialBody } from "../../protocol/credentials.ts";
import { normalMcpUrl } from "../../protocol/mcp-url.ts";
import { metadataParams } from "../../protocol/metadata.ts";
import { isScope } from "../../tools/mcp/challenge.ts";
import { explainAt } from "./connection.ts";
import { once } from "./once.ts";

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

export async function findPlace(
  client: Anthropic,
  server: URL,
  vault: string | null,
  signal?: AbortSignal,
): Promise<Place> {
  const asked = signal ? { signal } : {};
  const vault_id = vault ?? (await onlyVault(client, asked));
  if (vault_id === null) return { vault_id, before: null, scope: null };
  if (vault !== null) await requireActive(client, vault, asked);
  const wanted = normalMcpUrl(server.href);
  let count = 0;
  for await (const credential of client.beta.vaults.credentials.list(vault_id, {}, asked)) {
    count += 1;
    const { auth, id } = credential;
    if (auth.type === "environment_variable" || normalMcpUrl(auth.mcp_server_url) !== wanted) continue;
    if (auth.type === "mcp_oauth")
      return { vault_id, before: credential, scope: credential.metadata.scope ?? null };
    throw new NotAuthorized(
      `vault ${vault_id} has a credential of the type ${auth.type} for this server, ${id}: archive it first, or choose another vault with --vault`,
    );
  }
  if (count >= limits.vault_credentials_max)
    throw new NotAuthorized(
      `vault ${vault_id} has ${count} credentials, which is the most: archive or delete one first, or choose another vault with --vault`,
    );
  return { vault_id, before: null, scope: null };
}

interface Asked {
  signal?: AbortSignal;
}

async function requireActive({ beta }: Anthropic, id: string, asked: Asked): Promise<void> {
  const { archived_at } = await beta.vaults.retrieve(id, {}, asked);
  if (archived_at !== null) throw new NotAuthorized(`vault ${id} is archived: it takes no new credentials`);
}

async function onlyVault(client: Anthropic, asked: Asked): Promise<string | null> {
  const found: string[] = [];
  for await (const { id } of client.beta.vaults.list({ limit: 2 }, asked)) {
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
  const refresh = refreshOf(granted);
  const display_name = name ?? before?.display_name ?? null;
  const metadata = metadataOf(before, granted.scope);
  const auth = { type: "mcp_oauth" as const, access_token, expires_at };
  const wanted = { auth: { ...auth, mcp_server_url: server.href, refresh }, display_name, metadata };
  requireTakeable(wanted, server);
  if (known !== null && before?.auth.type === "mcp_oauth" && isSame(before.auth, refresh, expires_at))
    return vaults.credentials.update(before.id, {
      vault_id: known,
      auth: refresh
        ? { ...auth, refresh: { refresh_token: refresh.refresh_token, ...authOf(refresh) } }
        : auth,
      display_name,
      metadata: { scope: metadata.scope ?? null },
    });
  const vault_id = known ?? (await vaults.create({ display_name: "Drover" }, once())).id;
  // A vault has one for each server.
  if (before) await vaults.credentials.archive(before.id, { vault_id });
  const created = vaults.credentials.create(vault_id, wanted, once());
  return before ? created.catch((error) => notReplaced(client, before.id, error)) : created;
}

/** What no vault takes is known before the one that is there is archived for it. */
function requireTakeable(wanted: CreateCredential, { host }: URL): void {
  const [issue] = createCredentialBody.safeParse(wanted).error?.issues ?? [];
  if (issue)
    throw new NotAuthorized(
      `what was granted for ${host} fits into no vault (${issue.path.join(".")}: ${issue.message}): nothing was stored`,
    );
}

/** Of the one before, and what the new one may do, as far as there is room for it. */
function metadataOf(before: Credential | null, scope: string | null): Record<string, string> {
  const { scope: _, ...others } = before?.metadata ?? {};
  if (scope === null || !isScope(scope)) return others;
  return metadataParams.safeParse({ ...others, scope }).data ?? others;
}

function notReplaced({ baseURL }: Anthropic, id: string, error: unknown): never {
  throw new NotAuthorized(
    `${id} is archived, and the new credential could not be stored: ${explainAt(baseURL, error)}; run this again`,
  );
}

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

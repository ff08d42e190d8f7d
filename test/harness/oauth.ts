import type Anthropic from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsMCPOAuthCreateParams,
  BetaManagedAgentsMCPOAuthRefreshParams,
} from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import type { FakeOAuth } from "../fakes/oauth.ts";

/** What a client knows of an account at the fake: its tokens as they are at the time. */
export const refreshOf = (fake: FakeOAuth): BetaManagedAgentsMCPOAuthRefreshParams => ({
  token_endpoint: fake.token_endpoint,
  client_id: "client",
  refresh_token: fake.refresh_token,
  token_endpoint_auth: { type: "none" },
});

export const oauthOf = (
  fake: FakeOAuth,
  fields: Partial<BetaManagedAgentsMCPOAuthCreateParams> = {},
): BetaManagedAgentsMCPOAuthCreateParams => ({
  type: "mcp_oauth",
  mcp_server_url: fake.mcp_url,
  access_token: fake.access_token,
  refresh: refreshOf(fake),
  ...fields,
});

export interface OAuthCredential {
  vault_id: string;
  id: string;
}

/** In a vault of its own. */
export async function newOAuthCredential(
  client: Anthropic,
  fake: FakeOAuth,
  fields?: Partial<BetaManagedAgentsMCPOAuthCreateParams>,
): Promise<OAuthCredential> {
  const { id: vault_id } = await client.beta.vaults.create({ display_name: "v" });
  const { id } = await client.beta.vaults.credentials.create(vault_id, { auth: oauthOf(fake, fields) });
  return { vault_id, id };
}

export const validate = (client: Anthropic, { vault_id, id }: OAuthCredential) =>
  client.beta.vaults.credentials.mcpOAuthValidate(id, { vault_id }, { maxRetries: 0 });

import {
  ClientCredentialsProvider,
  exchangeJwtAuthGrant,
  type FetchLike,
  fetchToken,
  type OAuthTokens,
  PrivateKeyJwtProvider,
  requestJwtAuthorizationGrant,
  selectClientAuthMethod,
} from "@modelcontextprotocol/client";
import type { Discovered } from "./discover.ts";
import { NotAuthorized } from "./failed.ts";
import { tokenError } from "./token-error.ts";

/** By what a client proves that it is the one. */
export type ClientProof =
  | { type: "secret"; secret: string }
  /** In PKCS 8. It signs, and is sent to nobody. */
  | { type: "private_key"; pem: string; algorithm: string }
  | Vouched;

/** A company's identity provider vouches for a person who has signed in there, and nobody is asked any more. */
export interface Vouched {
  type: "vouched";
  secret: string;
  id_token: string;
  /** The token endpoint of the identity provider. */
  provider: string;
  /** As whom the identity provider knows us. */
  provider_client_id: string;
}

/** What the client may do, whoever runs it; or what the person may do whom somebody vouches for. */
export async function tokensOfClient(
  found: Discovered,
  { client_id, proof }: { client_id: string; proof: ClientProof },
  ask: FetchLike,
): Promise<OAuthTokens> {
  const { url, metadata, resource, scope, issuer } = found;
  if (proof.type === "vouched") return tokensOfVouched(found, client_id, proof, ask);
  const own = { clientId: client_id, expectedIssuer: issuer };
  const provider =
    proof.type === "secret"
      ? new ClientCredentialsProvider({ ...own, clientSecret: proof.secret })
      : new PrivateKeyJwtProvider({ ...own, privateKey: proof.pem, algorithm: proof.algorithm });
  try {
    return await fetchToken(provider, url, {
      ...(metadata && { metadata }),
      ...(resource !== null && { resource }),
      ...(scope !== null && { scope }),
      fetchFn: ask,
    });
  } catch (error) {
    throw tokenError(error, found, [proof.type === "secret" ? proof.secret : undefined]);
  }
}

/** The identity provider gives a grant for its ID token (RFC 8693), and the authorization server a token for the grant (RFC 7523). */
async function tokensOfVouched(
  found: Discovered,
  client_id: string,
  { secret, id_token, provider, provider_client_id }: Vouched,
  ask: FetchLike,
): Promise<OAuthTokens> {
  const { issuer, metadata, resource, scope, token_endpoint } = found;
  if (resource === null)
    throw new NotAuthorized("the MCP server does not say as what a token names it: nobody can vouch for it");
  const { jwtAuthGrant } = await requestJwtAuthorizationGrant({
    tokenEndpoint: provider,
    audience: issuer,
    resource,
    idToken: id_token,
    clientId: provider_client_id,
    ...(scope !== null && { scope }),
    fetchFn: ask,
  }).catch((error) => {
    if (error instanceof NotAuthorized) throw error;
    throw new NotAuthorized(
      `${new URL(provider).host} does not vouch: it refuses the ID token, cannot be read, or does not answer`,
    );
  });
  try {
    const client = { client_id, client_secret: secret };
    return await exchangeJwtAuthGrant({
      tokenEndpoint: token_endpoint,
      jwtAuthGrant,
      clientId: client_id,
      clientSecret: secret,
      authMethod: selectClientAuthMethod(client, metadata?.token_endpoint_auth_methods_supported ?? []),
      fetchFn: ask,
    });
  } catch (error) {
    throw tokenError(error, found, [secret, id_token, jwtAuthGrant]);
  }
}

import {
  ClientCredentialsProvider,
  type FetchLike,
  fetchToken,
  type OAuthTokens,
  PrivateKeyJwtProvider,
} from "@modelcontextprotocol/client";
import { requireIssuer } from "./client.ts";
import type { Discovered } from "./discover.ts";
import { tokenError } from "./token-error.ts";

/** By what a client proves that it is the one. */
export type ClientProof =
  /** `issuer`: whom alone it may be sent to. */
  | { type: "secret"; secret: string; issuer: string | null }
  /** In PKCS 8. It signs, and is sent to nobody. */
  | { type: "private_key"; pem: string; algorithm: string };

/** The grant `client_credentials`: what the client itself may do, whoever runs it. */
export async function tokensOfClient(
  found: Discovered,
  { client_id, proof }: { client_id: string; proof: ClientProof },
  ask: FetchLike,
): Promise<OAuthTokens> {
  const { url, metadata, resource, scope, issuer } = found;
  if (proof.type === "secret") requireIssuer(found, proof.issuer);
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

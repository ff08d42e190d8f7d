import { randomBytes } from "node:crypto";
import {
  exchangeAuthorization,
  type FetchLike,
  type OAuthClientInformationMixed,
  type OAuthTokens,
  selectClientAuthMethod,
  startAuthorization,
  validateAuthorizationResponseIssuer,
} from "@modelcontextprotocol/client";
import { limits } from "../limits.ts";
import { createAsk, requireSafe } from "./ask.ts";
import { clientAt, type OwnClient } from "./client.ts";
import { type ClientProof, tokensOfClient } from "./client-credentials.ts";
import { type Discovered, discover } from "./discover.ts";
import { NotAuthorized, shownError } from "./failed.ts";
import { probe } from "./probe.ts";
import { tokenError } from "./token-error.ts";

/** Who allows it. */
export type Consent =
  | {
      /** A person, at a page of the authorization server. */
      type: "person";
      client: OwnClient;
      redirect_url: string;
      /** Shows them the page; resolves with what its redirect has brought, which has this state. */
      ask(page: URL, state: string): Promise<URLSearchParams>;
    }
  /** Nobody any more: the client itself is trusted, or has somebody who vouches for a person. */
  | { type: "client"; client_id: string; proof: ClientProof };

export interface Authorization {
  server: URL;
  consent: Consent;
  /** Who alone may authorize. Null: whoever the server says; no secret is sent to them. */
  issuer: string | null;
  /** In place of what the servers say. */
  scope: string | null;
  /** Of the credential that is to be replaced. */
  scope_before: string | null;
  /** Of this program. */
  version: string;
  signal: AbortSignal;
  /** It is known who is asked, and nobody has been asked yet. */
  found?(found: Discovered): void;
}

/** What a vault is to hold. */
export interface Granted {
  access_token: string;
  /** From when it was asked for; null where nobody knows. */
  expires_in_s: number | null;
  scope: string | null;
  issuer: string;
  /** Null: there is nothing to refresh the token with. */
  refresh: {
    refresh_token: string;
    token_endpoint: string;
    client_id: string;
    method: "none" | "client_secret_basic" | "client_secret_post";
    client_secret: string | null;
    resource: string | null;
  } | null;
}

/**
 * The protocol's authorization: the server says who authorizes for it, somebody allows it, and the code becomes a token, which the
 * server has taken when this resolves. Rejects with `NotAuthorized`, or as the signal says. No secret is in an error.
 */
export async function authorize(authorization: Authorization): Promise<Granted> {
  const { server, scope, scope_before, consent, version, signal } = authorization;
  const ask = createAsk(server, signal);
  requireSafe(server, server);
  const first = await probe({ ask, server, version }, null).catch((error) => {
    if (signal.aborted) throw signal.reason;
    throw unreachable(server, error);
  });
  if (first.status === "taken" && scope === null)
    throw new NotAuthorized(`${server.host} answers without a credential: there is nothing to authorize`);
  const found = await discover({
    ask,
    server,
    scope,
    scope_before,
    metadata_url: first.status === "refused" ? first.metadata_url : null,
    challenged_scope: first.status === "refused" ? first.scope : null,
  });
  authorization.found?.(found);
  requireIssuer(found, authorization);
  const granted =
    consent.type === "person"
      ? await byPerson(found, consent, { server, ask })
      : grantedOf(await tokensOfClient(found, consent, ask), found, null);
  await requireTaken(authorization, granted, ask);
  return granted;
}

/** A secret goes to nobody whom only the MCP server has named. */
function requireIssuer({ issuer }: Discovered, { issuer: named, consent }: Authorization): void {
  if (named === null && !hasSecret(consent)) return;
  const plain = (url: string) => url.replace(/\/$/, "");
  if (named !== null && plain(named) === plain(issuer)) return;
  throw new NotAuthorized(
    named === null
      ? `the MCP server says that ${issuer} authorizes for it: if the client's secret is for that one, add --issuer ${issuer}`
      : `the MCP server says that ${issuer} authorizes for it, and not ${named}: nothing was sent`,
  );
}

function hasSecret(consent: Consent): boolean {
  if (consent.type === "client") return consent.proof.type !== "private_key";
  return consent.client.type === "known" && consent.client.client_secret !== null;
}

async function byPerson(
  found: Discovered,
  consent: Consent & { type: "person" },
  { server, ask }: { server: URL; ask: FetchLike },
): Promise<Granted> {
  const { url, metadata, scope, resource } = found;
  const client = await clientAt(found, consent.client, consent.redirect_url, ask);
  const state = randomBytes(32).toString("base64url");
  const asked = {
    ...(metadata && { metadata }),
    ...(resource !== null && { resource }),
    clientInformation: client,
  };
  const { authorizationUrl, codeVerifier } = await startAuthorization(url, {
    ...asked,
    ...(scope !== null && { scope }),
    redirectUrl: consent.redirect_url,
    state,
  }).catch((error) => {
    throw new NotAuthorized(`${found.issuer} cannot be asked: ${(error as Error).message}`);
  });
  requireSafe(authorizationUrl, server);
  if (authorizationUrl.href.length > limits.authorize_page_chars_max)
    throw new NotAuthorized(`${found.issuer} wants to be asked at an address that is too long to be opened`);
  const brought = await consent.ask(authorizationUrl, state);
  const code = codeIn(brought, found);
  const iss = brought.get("iss");
  const tokens = await exchangeAuthorization(url, {
    ...asked,
    ...(iss !== null && { iss }),
    authorizationCode: code,
    codeVerifier,
    redirectUri: consent.redirect_url,
    fetchFn: ask,
  }).catch((error) => {
    throw tokenError(error, found, [code, codeVerifier, client.client_secret]);
  });
  return grantedOf(tokens, found, client);
}

/** An error counts only when it comes from whom the person was sent to (RFC 9207). */
function codeIn(brought: URLSearchParams, { issuer, metadata }: Discovered): string {
  try {
    validateAuthorizationResponseIssuer({
      iss: brought.get("iss") ?? undefined,
      expectedIssuer: metadata?.issuer,
      issParameterSupported: metadata?.authorization_response_iss_parameter_supported === true,
    });
  } catch {
    throw new NotAuthorized(`the answer does not come from ${issuer}: it was not used`);
  }
  const code = brought.get("code");
  if (code !== null) return code;
  const said = shownError(brought.get("error") ?? "", brought.get("error_description"));
  throw new NotAuthorized(`it was not allowed (${said})`);
}

function grantedOf(
  { access_token, token_type, expires_in, refresh_token, scope }: OAuthTokens,
  { issuer, metadata, token_endpoint, resource, scope: asked }: Discovered,
  client: OAuthClientInformationMixed | null,
): Granted {
  if (!/^bearer$/i.test(token_type))
    throw new NotAuthorized(`${issuer} gives tokens of a kind that is not used here: only bearer tokens are`);
  const lasts = expires_in !== undefined && expires_in > 0 && expires_in <= limits.oauth_expires_s_max;
  return {
    access_token,
    expires_in_s: lasts ? expires_in : null,
    // Who leaves it out has given what was asked for.
    scope: scope ?? asked,
    issuer,
    refresh:
      refresh_token === undefined || client === null
        ? null
        : {
            refresh_token,
            token_endpoint,
            client_id: client.client_id,
            method: selectClientAuthMethod(client, metadata?.token_endpoint_auth_methods_supported ?? []),
            client_secret: client.client_secret ?? null,
            resource,
          },
  };
}

/** What a server will not have is no use to a session either. */
async function requireTaken(
  { server, version }: Authorization,
  { access_token }: Granted,
  ask: FetchLike,
): Promise<void> {
  const seen = await probe({ ask, server, version }, access_token).catch((error) => {
    throw unreachable(server, error);
  });
  if (seen.status === "taken") return;
  const wanted = seen.scope === null ? "" : `: it wants one with the scope "${seen.scope}"`;
  throw new NotAuthorized(
    `${server.host} refuses the token that it was given (${seen.http_status})${wanted}`,
  );
}

function unreachable({ host }: URL, error: unknown): Error {
  if (error instanceof NotAuthorized) return error;
  let inner = error as Error;
  while (inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof NotAuthorized) return inner;
  const { code } = inner as NodeJS.ErrnoException;
  const why = /^[A-Z][A-Z0-9_]{1,60}$/.test(String(code)) ? ` (${code})` : "";
  return new NotAuthorized(`${host} does not answer as an MCP server does${why}`);
}

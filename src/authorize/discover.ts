import {
  type AuthorizationServerMetadata,
  discoverOAuthServerInfo,
  type FetchLike,
  IssuerMismatchError,
  type OAuthClientProvider,
  selectResourceURL,
} from "@modelcontextprotocol/client";
import { limits } from "../limits.ts";
import { NotAuthorized, shown } from "./failed.ts";

/** Who authorizes for an MCP server, and what for. */
export interface Discovered {
  /** The authorization server, as it names itself. */
  issuer: string;
  /** Where its metadata was looked for. */
  url: string;
  /** Undefined: it has none, and its endpoints are where they were before there was any. */
  metadata: AuthorizationServerMetadata | undefined;
  token_endpoint: string;
  /** The MCP server, as its tokens name it; null where it does not say. */
  resource: string | null;
  /** What to ask for; null: what the authorization server gives by itself. */
  scope: string | null;
}

export interface Looking {
  ask: FetchLike;
  server: URL;
  /** Of the refusal that this began with. */
  metadata_url: URL | null;
  challenged_scope: string | null;
  /** In place of what the servers say. */
  scope: string | null;
  /** Of the credential that there is: what it may do, a new one is to do as well. */
  scope_before: string | null;
}

export async function discover(looking: Looking): Promise<Discovered> {
  const { ask, server, metadata_url } = looking;
  try {
    const found = await serverInfo(ask, server, metadata_url);
    const { authorizationServerUrl: url, authorizationServerMetadata: metadata, resourceMetadata } = found;
    // Whoever is asked for a token of another server would have it used there.
    await selectResourceURL(server, {} as OAuthClientProvider, resourceMetadata);
    requirePlain(metadata?.issuer ?? url);
    return {
      issuer: metadata?.issuer ?? url,
      url,
      metadata,
      token_endpoint: new URL(metadata?.token_endpoint ?? "/token", url).href,
      resource: resourceMetadata?.resource ?? null,
      scope: scopeOf(looking, resourceMetadata?.scopes_supported, metadata?.scopes_supported),
    };
  } catch (error) {
    throw explained(error, server);
  }
}

/** It is shown to a person, who may copy it to a shell. */
function requirePlain(issuer: string): void {
  const isShort = issuer.length <= limits.authorize_said_chars_max;
  if (isShort && /^https?:\/\/[\w.:[\]-]+(\/[\w./~%@+=,:-]*)?$/.test(issuer)) return;
  throw new NotAuthorized("the authorization server has a name that no address of the web has");
}

/**
 * A server of the protocol's first days says nothing of itself, and who authorizes for it is looked for at its own origin: what is
 * found there may call itself anything of that origin. Anywhere else it has to be what it was looked for as.
 */
async function serverInfo(ask: FetchLike, server: URL, metadata_url: URL | null) {
  const options = { fetchFn: ask, ...(metadata_url && { resourceMetadataUrl: metadata_url }) };
  const isOfOrigin = (url: string, issuer: string | undefined) =>
    url === new URL("/", server).href && URL.parse(issuer ?? "")?.origin === server.origin;
  try {
    return await discoverOAuthServerInfo(server, options);
  } catch (error) {
    if (!(error instanceof IssuerMismatchError) || !isOfOrigin(error.expected ?? "", error.received))
      throw error;
    const found = await discoverOAuthServerInfo(server, { ...options, skipIssuerMetadataValidation: true });
    // It was asked once more, and can have said something else, which nobody has compared.
    if (!isOfOrigin(found.authorizationServerUrl, found.authorizationServerMetadata?.issuer)) throw error;
    return found;
  }
}

/**
 * In this order: what the person wants, what the server wanted when it refused, all that it knows. Beside that, what lets a token
 * be refreshed, where the authorization server has a scope for it.
 */
function scopeOf(
  { scope, scope_before, challenged_scope }: Looking,
  ofResource: string[] | undefined,
  ofIssuer: string[] | undefined,
): string | null {
  const wanted = scope ?? challenged_scope ?? ofResource?.join(" ") ?? "";
  const all = new Set(`${scope_before ?? ""} ${wanted}`.split(" ").filter((one) => one !== ""));
  if (all.size > 0 && ofIssuer?.includes("offline_access")) all.add("offline_access");
  return all.size > 0 ? [...all].join(" ") : null;
}

function explained(error: unknown, { host }: URL): Error {
  if (error instanceof NotAuthorized) return error;
  if (error instanceof IssuerMismatchError)
    return new NotAuthorized(
      `the authorization server calls itself ${shown(String(error.received))}, and was found as ${shown(String(error.expected))}`,
    );
  const { name, message, cause } = error as Error;
  // What an answer was not, a schema says at length.
  if (name === "ZodError" || error instanceof SyntaxError)
    return new NotAuthorized(`what ${host} or its authorization server says of itself cannot be read`);
  const inner = cause instanceof Error ? cause.message : message;
  return new NotAuthorized(`who authorizes for ${host} cannot be found out: ${shown(inner)}`);
}

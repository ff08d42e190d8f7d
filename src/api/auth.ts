import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "../protocol/errors.ts";
import type { Principal } from "../protocol/principal.ts";
import { consoleTokens, requireSameOrigin } from "./console/cookie.ts";

export type Authenticate = (key: string) => Principal | undefined | Promise<Principal | undefined>;

export interface ApiKey {
  key: string;
  workspaceId: string;
}

/** Asks one after the other whose key it is. */
export const firstOf =
  (...ways: Authenticate[]): Authenticate =>
  async (key) => {
    for (const authenticate of ways) {
      const principal = await authenticate(key);
      if (principal) return principal;
    }
    return undefined;
  };

const idOfKey = (hash: Buffer) => hash.toString("hex").slice(0, 12);
const digest = (key: string) => createHash("sha256").update(key, "utf8").digest();

/** Knows a fixed set of keys. How long an answer takes says nothing about them. */
export function apiKeys(keys: ApiKey[]): Authenticate {
  const known = keys.map(({ key, workspaceId }) => {
    const hash = digest(key);
    const principal: Principal = { kind: "api_key", id: idOfKey(hash), workspaceId };
    return { hash, principal };
  });
  return (key) => {
    const hash = digest(key);
    return known.filter((entry) => timingSafeEqual(entry.hash, hash))[0]?.principal;
  };
}

/** Whether a fixed set of keys has one that is named so. */
export function isKeyOf(keys: ApiKey[]): (id: string, workspaceId: string) => boolean {
  const known = new Set(keys.map(({ key, workspaceId }) => `${workspaceId} ${idOfKey(digest(key))}`));
  return (id, workspaceId) => known.has(`${workspaceId} ${id}`);
}

/** The keys a request presents: clients send a bearer token, `x-api-key`, or both. */
function presentedKeys(headers: Headers): string[] {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(headers.get("authorization") ?? "")?.[1];
  const header = headers.get("x-api-key")?.trim();
  return [bearer, header].flatMap((key) => key || []);
}

/** The tokens of a browser that is signed in, where they are what says who asks: a key goes before them. */
export const tokensInsteadOfKey = (headers: Headers): string[] =>
  presentedKeys(headers).length === 0 ? consoleTokens(headers) : [];

/** A browser that is signed in shows a cookie instead of a key. */
export interface SignedIn {
  method: string;
  principalOf(tokens: readonly string[]): Promise<Principal | undefined>;
}

/** `signedIn` is null where only a key will do. */
export async function principalOf(
  headers: Headers,
  authenticate: Authenticate,
  signedIn: SignedIn | null = null,
): Promise<Principal> {
  const keys = presentedKeys(headers);
  const tokens = tokensInsteadOfKey(headers);
  if (tokens.length > 0 && signedIn) {
    requireSameOrigin(signedIn.method, headers);
    const principal = await signedIn.principalOf(tokens);
    if (principal) return inAskedWorkspace(principal, headers);
    throw new ApiError("authentication_error", "the sign-in is over: sign in again");
  }
  if (keys.length === 0) {
    throw new ApiError(
      "authentication_error",
      "no API key: send it as `x-api-key` or as `authorization: Bearer`",
    );
  }
  for (const key of keys) {
    const principal = await authenticate(key);
    if (principal) return inAskedWorkspace(principal, headers);
  }
  throw new ApiError("authentication_error", "invalid API key");
}

function inAskedWorkspace(principal: Principal, headers: Headers): Principal {
  const asked = headers.get("anthropic-workspace-id");
  if (asked && asked !== principal.workspaceId) {
    throw new ApiError(
      "permission_error",
      `this API key does not belong to the workspace ${asked.slice(0, 100)}`,
    );
  }
  return principal;
}

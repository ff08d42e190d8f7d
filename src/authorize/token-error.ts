import { OAuthError } from "@modelcontextprotocol/client";
import { createRedactor } from "../vault/redact.ts";
import type { Discovered } from "./discover.ts";
import { NotAuthorized, shownError } from "./failed.ts";

/**
 * Why a token endpoint gave no token. An answer that is no error of OAuth may have a token in it, whatever else is wrong with it:
 * nothing of it is shown. `hidden`: what the endpoint was sent.
 */
export function tokenError(
  error: unknown,
  { issuer, token_endpoint }: Discovered,
  hidden: readonly (string | undefined)[],
): Error {
  if (error instanceof NotAuthorized) return error;
  const { host } = new URL(token_endpoint);
  if (error instanceof OAuthError && error.code !== "server_error") {
    const { text } = createRedactor(hidden.flatMap((secret) => (secret === undefined ? [] : [{ secret }])));
    return new NotAuthorized(`${host} gives no token (${shownError(error.code, text(error.message))})`);
  }
  if ((error as Error).name === "InsecureTokenEndpointError")
    return new NotAuthorized(`${issuer} gives its tokens over http: it is asked for one over https alone`);
  return new NotAuthorized(`${host} gives no token: its answer cannot be read, or does not come`);
}

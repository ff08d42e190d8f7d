import type { CredentialAuthParams } from "../../protocol/credentials.ts";
import { invalid } from "../../protocol/errors.ts";

/**
 * Refuses to have a secret sent without TLS, except to a host that the administrator has opened: it is one of their own
 * network. `isOpened`: of a host as `hostOf` has it; a name counts only where it was opened by name.
 */
export function requireEncrypted(auth: CredentialAuthParams, isOpened: (hostname: string) => boolean): void {
  if (auth.type === "environment_variable") return;
  const refuse = (path: string, url: string) => {
    const { protocol, hostname } = new URL(url);
    if (protocol === "https:" || isOpened(hostname)) return;
    throw invalid(
      `${path}: must be an https URL; over http a secret goes only to hosts that the server's administrator has named in DROVER_ALLOW_PRIVATE_HOSTS`,
    );
  };
  refuse("auth.mcp_server_url", auth.mcp_server_url);
  if (auth.type === "mcp_oauth" && auth.refresh)
    refuse("auth.refresh.token_endpoint", auth.refresh.token_endpoint);
}

import type Anthropic from "@anthropic-ai/sdk";
import type { BetaManagedAgentsCredential as Credential } from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import { normalMcpUrl } from "../../protocol/mcp-url.ts";
import { exits, Failure } from "../exits.ts";
import { serverUrl } from "../server-url.ts";
import { once } from "./once.ts";
import { readSecret } from "./secret.ts";

export interface SetOptions {
  host?: string[];
  anyHost?: boolean;
  name?: string;
}

/** What the secret is for: a variable of sandboxes, or an MCP server. */
type For =
  | { type: "environment_variable"; secret_name: string }
  | { type: "static_bearer"; mcp_server_url: string };

/** Puts a secret into a vault, in the place of the one that is there for the same thing. */
export async function setSecret(
  client: Anthropic,
  vault_id: string,
  what: string,
  options: SetOptions,
): Promise<{ credential: Credential; is_new: boolean }> {
  if (!/^https?:/i.test(what) && !/^[A-Za-z_]\w*$/.test(what))
    throw new Failure(
      "what a secret is for is the name of a variable, of letters, digits and _, or an http or https URL: the secret itself is asked for",
      exits.usage,
    );
  const wanted: For = what.includes("://")
    ? { type: "static_bearer", mcp_server_url: serverUrl(what) }
    : { type: "environment_variable", secret_name: what };
  if (wanted.type === "static_bearer" && (options.host || options.anyHost))
    throw new Failure("a token goes to its MCP server alone: leave --host and --any-host out", exits.usage);
  const { credentials } = client.beta.vaults;
  const before = await credentialFor(client, vault_id, wanted);
  const networking = networkingOf(options);
  if (!before && wanted.type === "environment_variable" && networking === null)
    throw new Failure(`where may ${what} be sent? --host <host> for each host, or --any-host`, exits.usage);
  const secret = await readSecret(wanted.type === "static_bearer" ? `token for ${what}` : what);
  const named = options.name === undefined ? {} : { display_name: options.name };
  if (before) {
    const auth =
      wanted.type === "static_bearer"
        ? { type: wanted.type, token: secret }
        : { type: wanted.type, secret_value: secret, ...(networking && { networking }) };
    return { credential: await credentials.update(before.id, { vault_id, auth, ...named }), is_new: false };
  }
  const auth =
    wanted.type === "static_bearer"
      ? { ...wanted, token: secret }
      : { ...wanted, secret_value: secret, networking: networking ?? { type: "unrestricted" as const } };
  return { credential: await credentials.create(vault_id, { auth, ...named }, once()), is_new: true };
}

const networkingOf = ({ host, anyHost }: SetOptions) => {
  if (host) return { type: "limited" as const, allowed_hosts: host };
  return anyHost ? { type: "unrestricted" as const } : null;
};

async function credentialFor(client: Anthropic, vault_id: string, wanted: For): Promise<Credential | null> {
  for await (const credential of client.beta.vaults.credentials.list(vault_id)) {
    const { auth, id } = credential;
    const isSame =
      wanted.type === "environment_variable"
        ? auth.type === wanted.type && auth.secret_name === wanted.secret_name
        : auth.type !== "environment_variable" &&
          normalMcpUrl(auth.mcp_server_url) === normalMcpUrl(wanted.mcp_server_url);
    if (!isSame) continue;
    if (auth.type === "mcp_oauth")
      throw new Failure(
        `the credential for this server, ${id}, is authorized in the browser: drover vaults authorize renews it, drover vaults archive removes it`,
      );
    return credential;
  }
  return null;
}

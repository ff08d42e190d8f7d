import type { Statement } from "../../db/database.ts";
import { limits } from "../../limits.ts";
import type { SessionSecret, SessionSecrets } from "../../net/vault-wire.ts";
import type { CloudConfig } from "../../protocol/environments.ts";
import { networkOf } from "../../tools/sandbox-spec.ts";
import type { Hidden } from "../../vault/redact.ts";
import { openToken } from "../sessions/repositories.ts";
import { openPass, openVariable, type PassParts } from "./pass.ts";
import { isSamePass } from "./same-pass.ts";

interface Found {
  workspace_id: string;
  /** Null where its tools are run by workers. */
  networking: CloudConfig["networking"] | null;
  mcp_servers: { url: string }[] | null;
  certificate: string;
  secret: string;
  variables: {
    id: string;
    placeholder: string;
    secret: string;
    auth: {
      networking: { type: "unrestricted" } | { type: "limited"; allowed_hosts: string[] };
      injection_location: { header: boolean; body: boolean };
    };
  }[];
  repositories: { id: string; url: string; token: string }[];
}

const find: Statement = {
  name: "session_pass_resolve",
  text: `
select s.workspace_id, s.environment_config -> 'networking' as networking, s.agent -> 'mcp_servers' as mcp_servers, p.certificate, p.secret, coalesce((
    select json_agg(json_build_object('id', c.id, 'placeholder', v.placeholder, 'secret', c.secret, 'auth', c.auth)
      order by c.id collate "C")
    from session_placeholder v join credential c on c.id = v.credential_id
    where v.session_id = s.id and c.workspace_id = s.workspace_id and c.vault_id = any (s.vault_ids)
      and c.archived_at is null and c.secret is not null), '[]') as variables, coalesce((
    select json_agg(json_build_object('id', r.id, 'url', r.url, 'token', r.token) order by r.position)
    from session_resource r
    where r.session_id = s.id and r.type = 'github_repository' and r.token is not null), '[]') as repositories
from session s join session_head h on h.session_id = s.id join session_pass p on p.session_id = s.id
where s.id = $1 and s.archived_at is null and h.status <> 'terminated'`,
};

/**
 * What may be used for the programs of a session, as it is now: whoever has its pass is told. Null for all others, and once
 * the session has ended.
 */
export async function resolveSecrets(
  parts: PassParts,
  { session_id, pass }: { session_id: string; pass: string },
): Promise<SessionSecrets | null> {
  const [found] = await parts.db.query<Found>(find, [session_id]);
  if (!found) return null;
  const own = await openPass(parts.seal, found.workspace_id, session_id, found.secret);
  if (!isSamePass(own.pass, pass)) return null;
  const authority = { certificate: found.certificate, private_key: own.private_key };
  const { networking, mcp_servers } = found;
  const network = networking ? networkOf(networking, mcp_servers ?? []) : undefined;
  return { network, authority, secrets: await openAll(parts, session_id, found) };
}

/** What nothing that a session's tools have found may show. None once the session has ended. */
export async function hiddenSecrets(parts: PassParts, sessionId: string): Promise<Hidden[]> {
  const [found] = await parts.db.query<Found>(find, [sessionId]);
  const secrets = found ? await openAll(parts, sessionId, found) : [];
  return secrets.map((each) =>
    each.type === "repository"
      ? { secret: each.token }
      : { secret: each.secret, placeholder: each.placeholder },
  );
}

/** A secret that cannot be opened is left out, and the others are not; so are those that are more than may be used. */
async function openAll(
  { seal, trouble }: Omit<PassParts, "db">,
  session_id: string,
  found: Found,
): Promise<SessionSecret[]> {
  const { workspace_id } = found;
  const opening = [
    ...found.repositories.map(({ id, url, token }) =>
      opened(id, "repository", async (): Promise<SessionSecret> => {
        return { type: "repository", id, url, token: await openToken(seal, workspace_id, { url, token }) };
      }),
    ),
    ...found.variables.map(({ id, placeholder, secret, auth }) =>
      opened(id, "credential", async (): Promise<SessionSecret> => {
        const { networking, injection_location } = auth;
        const { header, body } = injection_location;
        const hosts = networking.type === "limited" ? networking.allowed_hosts : null;
        const value = await openVariable(seal, workspace_id, id, secret);
        return { type: "environment_variable", id, placeholder, secret: value, hosts, header, body };
      }),
    ),
  ];
  let bytes = 0;
  return (await Promise.all(opening)).flat().filter((each) => {
    bytes += Buffer.byteLength(each.type === "repository" ? each.token : each.secret);
    if (bytes <= limits.session_secrets_bytes_max) return true;
    trouble(tooMany(each.id), new Error("too many secrets"), session_id);
    return false;
  });

  async function opened(
    id: string,
    kind: string,
    open: () => Promise<SessionSecret>,
  ): Promise<SessionSecret[]> {
    try {
      return [await open()];
    } catch (error) {
      trouble(`the secret of the ${kind} ${id} cannot be opened, and is not used`, error, session_id);
      return [];
    }
  }
}

const tooMany = (id: string) =>
  `${id} is not used: the session's secrets have more than ${limits.session_secrets_bytes_max} bytes together`;

import type { Database } from "../../db/database.ts";
import { newId } from "../../protocol/ids.ts";
import type { Seal } from "../../vault/seal.ts";
import { type CredentialSecret, credentialPlace } from "../../vault/secrets.ts";

export interface Variable {
  name: string;
  value: string;
  hosts?: string[];
  header?: boolean;
  body?: boolean;
}

/** Rows as the API would write them, for tests of what lies below it. */
export function vaultRows(db: Database, seal: Seal, workspaceId = "w") {
  const run = (text: string, values: unknown[]) => db.query({ name: "", text }, values);
  return {
    run,
    async vault(): Promise<string> {
      const id = newId("vault");
      await run(
        `insert into vault (workspace_id, id, display_name, metadata, created_at, updated_at)
          values ($1, $2, 'v', '{}', drover_now(), drover_now())`,
        [workspaceId, id],
      );
      return id;
    },
    async variable(
      vaultId: string,
      { name, value, hosts, header = true, body = true }: Variable,
    ): Promise<string> {
      const id = newId("credential");
      const networking = hosts ? { type: "limited", allowed_hosts: hosts } : { type: "unrestricted" };
      const auth = {
        type: "environment_variable",
        secret_name: name,
        networking,
        injection_location: { header, body },
      };
      const secret: CredentialSecret = { type: "environment_variable", secret_value: value };
      const sealed = await seal.seal(JSON.stringify(secret), credentialPlace(workspaceId, id));
      await run(
        `insert into credential (workspace_id, vault_id, id, metadata, auth, key, secret, created_at, updated_at)
          values ($1, $2, $3, '{}', $4, $5, $6, drover_now(), drover_now())`,
        [workspaceId, vaultId, id, JSON.stringify(auth), `env ${name}`, sealed],
      );
      return id;
    },
    /** Of which there is nothing but its rows. */
    async session(vaultIds: string[] = []): Promise<string> {
      const [id, environment] = [newId("session"), newId("environment")];
      await run(
        `insert into environment (workspace_id, id, name, config, metadata, scope, created_at, updated_at)
          values ($1, $2, 'e', '{}', '{}', 'workspace', drover_now(), drover_now())`,
        [workspaceId, environment],
      );
      await run(
        `insert into session (workspace_id, id, agent_id, agent_version, agent, environment_id, environment_config, vault_ids,
          metadata, created_at, updated_at)
          values ($1, $2, 'agent', 1, '{}', $3, '{}', $4, '{}', drover_now(), drover_now())`,
        [workspaceId, id, environment, vaultIds],
      );
      await run(
        `insert into session_head (workspace_id, session_id, seq, last_at, status, status_at, usage)
          values ($1, $2, 0, drover_now(), 'idle', drover_now(), '{}')`,
        [workspaceId, id],
      );
      return id;
    },
  };
}

import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../db/database.ts";
import { invalid } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { patchedMetadata } from "../protocol/metadata.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../protocol/page.ts";
import type { CreateVault, ListVaults, UpdateVault, Vault } from "../protocol/vaults.ts";
import { untilFirst } from "./attempts.ts";
import { vaultNotFound } from "./credentials/row.ts";

export interface VaultStore {
  create(workspaceId: string, params: CreateVault): Promise<Vault>;
  get(workspaceId: string, id: string): Promise<Vault>;
  list(workspaceId: string, query: ListVaults): Promise<Page<Vault>>;
  update(workspaceId: string, id: string, params: UpdateVault): Promise<Vault>;
  /** With all its credentials. New sessions cannot name it; those that have named it go on without. */
  archive(workspaceId: string, id: string): Promise<Vault>;
  /** With all its credentials, of which nothing is left. */
  delete(workspaceId: string, id: string): Promise<{ id: string; type: "vault_deleted" }>;
}

export function vaultStore(db: Database): VaultStore {
  async function found(workspaceId: string, id: string): Promise<VaultRow> {
    const [row] = await db.query<VaultRow>(selectOne, [workspaceId, id]);
    if (!row) throw vaultNotFound(id);
    return row;
  }

  /** Undefined when another update came first. */
  async function tryUpdate(workspaceId: string, id: string, params: UpdateVault): Promise<Vault | undefined> {
    const row = await found(workspaceId, id);
    const vault = vaultFrom(row);
    if (vault.archived_at !== null) throw invalid(`vault ${id} is archived and can no longer be changed`);
    const display_name = params.display_name ?? vault.display_name;
    const metadata = params.metadata ? patchedMetadata(vault.metadata, params.metadata) : vault.metadata;
    if (isDeepStrictEqual({ ...vault, display_name, metadata }, vault)) return vault;
    const values = [workspaceId, id, display_name, JSON.stringify(metadata), row.row_version];
    const [updated] = await db.query<VaultRow>(updateOne, values);
    return updated && vaultFrom(updated);
  }

  return {
    async create(workspaceId, { display_name, metadata = {} }) {
      const values = [workspaceId, newId("vault"), display_name, JSON.stringify(metadata)];
      const [row] = await db.query<VaultRow>(insertOne, values);
      if (!row) throw new Error("inserting a vault returned no row");
      return vaultFrom(row);
    },

    async get(workspaceId, id) {
      return vaultFrom(await found(workspaceId, id));
    },

    async list(workspaceId, query) {
      const scope = { list: "vaults", order: "desc" } as const;
      const after = decodeCursor(query.page, scope, timePosition)?.position;
      const rows = await db.query<VaultRow>(selectPage, [
        workspaceId,
        after?.at ?? "infinity",
        after?.id ?? "",
        query.include_archived,
        query.limit + 1,
      ]);
      const positionOf = ({ created_at, id }: VaultRow) => ({ at: created_at, id });
      return pageFrom(rows, query.limit, scope, positionOf, vaultFrom);
    },

    update: (workspaceId, id, params) => untilFirst(`vault ${id}`, () => tryUpdate(workspaceId, id, params)),

    async archive(workspaceId, id) {
      const [row] = await db.query<VaultRow>(archiveOne, [workspaceId, id]);
      if (!row) throw vaultNotFound(id);
      return vaultFrom(row);
    },

    async delete(workspaceId, id) {
      const [row] = await db.query<{ id: string }>(deleteOne, [workspaceId, id]);
      if (!row) throw vaultNotFound(id);
      return { id, type: "vault_deleted" };
    },
  };
}

interface VaultRow extends Omit<Vault, "type"> {
  /** Changes with every write to the row. */
  row_version: string;
}

const vaultFrom = ({ row_version: _, id, ...row }: VaultRow): Vault => ({ id, type: "vault", ...row });

const columns =
  "v.id, v.display_name, v.metadata, v.created_at, v.updated_at, v.archived_at, v.xmin::text as row_version";

const insertOne: Statement = {
  name: "vault_insert",
  text: `
    insert into vault as v (workspace_id, id, display_name, metadata, created_at, updated_at)
    select $1, $2, $3, $4::json, moment.at, moment.at from (select drover_now() as at offset 0) moment
    returning ${columns}`,
};

const selectOne: Statement = {
  name: "vault_select",
  text: `select ${columns} from vault v where v.workspace_id = $1 and v.id = $2`,
};

const selectPage: Statement = {
  name: "vault_page",
  text: `
    select ${columns}
      from vault v
     where v.workspace_id = $1
       and (v.created_at, v.id) < ($2::timestamptz, $3)
       and (v.archived_at is null or $4)
     order by v.created_at desc, v.id desc
     limit $5`,
};

/** Changes nothing when the row is no longer the one that the new values were made from. */
const updateOne: Statement = {
  name: "vault_update",
  text: `
    update vault v
       set display_name = $3, metadata = $4::json,
           updated_at = greatest(drover_now(), v.updated_at + interval '1 microsecond')
     where v.workspace_id = $1 and v.id = $2 and v.xmin::text = $5 and v.archived_at is null
    returning ${columns}`,
};

/** The vault first: a credential that was made meanwhile is then seen, and none is made any more. */
const archiveOne: Statement = {
  name: "vault_archive",
  text: `
    with ended as materialized (
      update vault v set archived_at = coalesce(v.archived_at, drover_now())
       where v.workspace_id = $1 and v.id = $2
      returning ${columns}
    ), credentials as materialized (
      select archive_credentials(id, archived_at) as n from ended
    )
    select ended.* from ended, credentials`,
};

const deleteOne: Statement = {
  name: "vault_delete",
  text: "delete from vault where workspace_id = $1 and id = $2 returning id",
};

const look: Statement = {
  name: "vaults_of_session",
  text: "select id, archived_at from vault where workspace_id = $1 and id = any($2)",
};

/** Says which of these a new session cannot have, if there is one. */
export async function requireVaults(
  db: Database,
  workspaceId: string,
  ids: readonly string[],
): Promise<void> {
  const rows = await db.query<Pick<VaultRow, "id" | "archived_at">>(look, [workspaceId, ids]);
  for (const [i, id] of ids.entries()) {
    const vault = rows.find((row) => row.id === id);
    if (!vault) throw vaultNotFound(id);
    if (vault.archived_at !== null)
      throw invalid(`vault_ids.${i}: vault ${id} is archived: new sessions cannot have it`);
  }
}

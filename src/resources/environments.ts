import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../db/database.ts";
import {
  type CreateEnvironment,
  createdEnvironment,
  type Environment,
  type EnvironmentSettings,
  type ListEnvironments,
  type UpdateEnvironment,
  updatedEnvironment,
} from "../protocol/environments.ts";
import { invalid, notFound } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { decodeCursor, type Page, pageFrom, timePosition } from "../protocol/page.ts";
import type { ResourceLimits } from "../protocol/sandbox-resources.ts";
import { untilFirst } from "./attempts.ts";

export interface EnvironmentStore {
  /** `maximum`: what the server gives a sandbox. */
  create(workspaceId: string, params: CreateEnvironment, maximum: ResourceLimits): Promise<Environment>;
  get(workspaceId: string, id: string): Promise<Environment>;
  list(workspaceId: string, query: ListEnvironments): Promise<Page<Environment>>;
  update(
    workspaceId: string,
    id: string,
    params: UpdateEnvironment,
    maximum: ResourceLimits,
  ): Promise<Environment>;
  archive(workspaceId: string, id: string): Promise<Environment>;
  /** Refused while a session refers to it. */
  delete(workspaceId: string, id: string): Promise<{ id: string; type: "environment_deleted" }>;
}

export function environmentStore(db: Database): EnvironmentStore {
  async function found(workspaceId: string, id: string): Promise<EnvironmentRow> {
    const [row] = await db.query<EnvironmentRow>(selectOne, [workspaceId, id]);
    if (!row) throw notFound(`environment ${id} not found`);
    return row;
  }

  /** Undefined when another update came first. */
  async function tryUpdate(
    workspaceId: string,
    id: string,
    params: UpdateEnvironment,
    maximum: ResourceLimits,
  ): Promise<Environment | undefined> {
    const row = await found(workspaceId, id);
    const environment = environmentFrom(row);
    if (environment.archived_at) {
      throw invalid(`environment ${id} is archived and can no longer be changed`, {
        code: "environment_archived",
      });
    }
    const settings = updatedEnvironment(environment, params, maximum);
    if (isDeepStrictEqual({ ...environment, ...settings }, environment)) return environment;
    const values = [workspaceId, id, ...columnsOf(settings), row.row_version];
    const [updated] = await db.query<EnvironmentRow>(updateOne, values);
    return updated && environmentFrom(updated);
  }

  return {
    async create(workspaceId, params, maximum) {
      const values = [workspaceId, newId("environment"), ...columnsOf(createdEnvironment(params, maximum))];
      const [row] = await db.query<EnvironmentRow>(insertOne, values);
      if (!row) throw new Error("inserting an environment returned no row");
      return environmentFrom(row);
    },

    async get(workspaceId, id) {
      return environmentFrom(await found(workspaceId, id));
    },

    async list(workspaceId, query) {
      const scope = { list: "environments", order: "desc" } as const;
      const after = decodeCursor(query.page, scope, timePosition)?.position;
      const rows = await db.query<EnvironmentRow>(selectPage, [
        workspaceId,
        after?.at ?? "infinity",
        after?.id ?? "",
        query.include_archived,
        query.limit + 1,
      ]);
      const positionOf = (row: EnvironmentRow) => ({ at: row.created_at, id: row.id });
      return pageFrom(rows, query.limit, scope, positionOf, environmentFrom);
    },

    async update(workspaceId, id, params, maximum) {
      return untilFirst(`environment ${id}`, () => tryUpdate(workspaceId, id, params, maximum));
    },

    async archive(workspaceId, id) {
      const [row] = await db.query<EnvironmentRow>(archiveOne, [workspaceId, id]);
      if (!row) throw notFound(`environment ${id} not found`);
      return environmentFrom(row);
    },

    async delete(workspaceId, id) {
      const [row] = await db.query<{ found: boolean; session_id: string | null }>(deleteOne, [
        workspaceId,
        id,
      ]);
      if (!row?.found) throw notFound(`environment ${id} not found`);
      if (row.session_id !== null) {
        throw invalid(
          `environment ${id} is used by session ${row.session_id}; delete its sessions first, or archive it`,
        );
      }
      return { id, type: "environment_deleted" };
    },
  };
}

interface EnvironmentRow extends Omit<Environment, "type"> {
  /** Changes with every write to the row. */
  row_version: string;
}

const environmentFrom = ({ row_version: _, id, ...row }: EnvironmentRow): Environment => ({
  id,
  type: "environment",
  ...row,
});

const columnsOf = (settings: EnvironmentSettings) => [
  settings.name,
  settings.description,
  JSON.stringify(settings.config),
  JSON.stringify(settings.metadata),
  settings.scope,
];

const columns =
  "e.id, e.name, e.description, e.config, e.metadata, e.scope, " +
  "e.created_at, e.updated_at, e.archived_at, e.xmin::text as row_version";

const insertOne: Statement = {
  name: "environment_insert",
  text: `
    insert into environment as e
           (workspace_id, id, name, description, config, metadata, scope, created_at, updated_at)
    select $1, $2, $3, $4, $5::json, $6::json, $7, moment.at, moment.at
      from (select drover_now() as at offset 0) moment
    returning ${columns}`,
};

const selectOne: Statement = {
  name: "environment_select",
  text: `select ${columns} from environment e where e.workspace_id = $1 and e.id = $2`,
};

const selectPage: Statement = {
  name: "environment_page",
  text: `
    select ${columns}
      from environment e
     where e.workspace_id = $1
       and (e.created_at, e.id) < ($2::timestamptz, $3)
       and (e.archived_at is null or $4)
     order by e.created_at desc, e.id desc
     limit $5`,
};

/** Changes nothing when the row is no longer the one that the new settings were made from. */
const updateOne: Statement = {
  name: "environment_update",
  text: `
    update environment e
       set name = $3, description = $4, config = $5::json, metadata = $6::json, scope = $7,
           updated_at = greatest(e.updated_at, drover_now())
     where e.workspace_id = $1 and e.id = $2 and e.xmin::text = $8 and e.archived_at is null
    returning ${columns}`,
};

const archiveOne: Statement = {
  name: "environment_archive",
  text: `
    update environment e
       set archived_at = coalesce(e.archived_at, drover_now())
     where e.workspace_id = $1 and e.id = $2
    returning ${columns}`,
};

const deleteOne: Statement = {
  name: "environment_delete",
  text: `
    with user_session as (
      select id from session where environment_id = $2 and workspace_id = $1 limit 1
    ), gone as (
      delete from environment
       where workspace_id = $1 and id = $2 and not exists (select from user_session)
    )
    select exists (select from environment where workspace_id = $1 and id = $2) as found,
           (select id from user_session) as session_id`,
};

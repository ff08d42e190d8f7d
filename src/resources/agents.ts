import { isDeepStrictEqual } from "node:util";
import type { Database, Statement } from "../db/database.ts";
import {
  type Agent,
  type AgentConfig,
  type CreateAgent,
  checkServersUsed,
  checkToolUse,
  createdConfig,
  type ListAgents,
  type ListAgentVersions,
  type OwnConfig,
  type UpdateAgent,
  updatedConfig,
} from "../protocol/agents.ts";
import { conflict, invalid, notFound } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import type { MultiagentParams } from "../protocol/multiagent.ts";
import {
  decodeCursor,
  intMax,
  numberPosition,
  type Page,
  pageFrom,
  requirePositionInRange,
  timePosition,
} from "../protocol/page.ts";
import {
  type KnownAgent,
  mergedMultiagent,
  resolvedMultiagent,
  wantedAgents,
} from "../protocol/resolve-multiagent.ts";
import { untilFirst } from "./attempts.ts";

export interface AgentStore {
  create(workspaceId: string, params: CreateAgent): Promise<Agent>;
  /** The latest version unless one is named. */
  get(workspaceId: string, id: string, version?: number | null): Promise<Agent>;
  list(workspaceId: string, query: ListAgents): Promise<Page<Agent>>;
  versions(workspaceId: string, id: string, query: ListAgentVersions): Promise<Page<Agent>>;
  update(workspaceId: string, id: string, params: UpdateAgent): Promise<Agent>;
  archive(workspaceId: string, id: string): Promise<Agent>;
}

export function agentStore(db: Database): AgentStore {
  async function knownAgents(workspaceId: string, params: MultiagentParams | null) {
    const wanted = params ? wantedAgents(params) : [];
    if (wanted.length === 0) return [];
    const rows = await db.query<KnownRow>(selectKnown, [workspaceId, JSON.stringify(wanted)]);
    return rows.map(knownAgent);
  }

  async function found(workspaceId: string, id: string, version: number | null = null): Promise<Agent> {
    const [row] = await db.query<AgentRow>(selectOne, [workspaceId, id, version]);
    if (!row) throw notFound(`agent ${id} not found${version === null ? "" : ` in version ${version}`}`);
    return agentFrom(row);
  }

  /** Undefined when another update came first. */
  async function tryUpdate(workspaceId: string, id: string, params: UpdateAgent): Promise<Agent | undefined> {
    const agent = await found(workspaceId, id);
    if (agent.archived_at) throw invalid(`agent ${id} is archived and can no longer be changed`);
    if (params.version !== undefined && params.version !== agent.version) {
      throw conflict(`version: is ${params.version}, but agent ${id} is at version ${agent.version}`);
    }
    const own = checkedConfig(updatedConfig(agent, params));
    const before = configOf(agent);
    if (
      params.multiagent === undefined &&
      isDeepStrictEqual({ ...own, multiagent: agent.multiagent }, before)
    ) {
      return agent;
    }
    const multiagent = mergedMultiagent(agent.multiagent, params.multiagent, agent);
    const known = await knownAgents(workspaceId, multiagent);
    if (isDeepStrictEqual(configWith(own, multiagent, agent, known), before)) return agent;
    const config = configWith(own, multiagent, { id, version: agent.version + 1 }, known);
    const [row] = await db.query<AgentRow>(updateOne, [
      workspaceId,
      id,
      agent.version,
      config.name,
      JSON.stringify(config),
    ]);
    return row && agentFrom(row);
  }

  return {
    async create(workspaceId, params) {
      const own = checkedConfig(createdConfig(params));
      const id = newId("agent");
      const multiagent = params.multiagent ?? null;
      const known = await knownAgents(workspaceId, multiagent);
      const config = configWith(own, multiagent, { id, version: 1 }, known);
      const values = [workspaceId, id, config.name, JSON.stringify(config)];
      const [row] = await db.query<AgentRow>(insertOne, values);
      if (!row) throw new Error("inserting an agent returned no row");
      return agentFrom(row);
    },

    get: found,

    async list(workspaceId, query) {
      const scope = { list: "agents", order: "desc" } as const;
      const after = decodeCursor(query.page, scope, timePosition)?.position;
      if (after) requirePositionInRange(after, query.created_at);
      const rows = await db.query<AgentRow>(selectPage, [
        workspaceId,
        after?.at ?? "infinity",
        after?.id ?? "",
        query.created_at?.gte ?? "-infinity",
        query.created_at?.lte ?? "infinity",
        query.include_archived,
        query.limit + 1,
      ]);
      return pageFrom(rows, query.limit, scope, (row) => ({ at: row.created_at, id: row.id }), agentFrom);
    },

    async versions(workspaceId, id, query) {
      const scope = { list: `agents/${id}/versions`, order: "desc" } as const;
      const after = decodeCursor(query.page, scope, numberPosition)?.position;
      const before = after?.number ?? intMax + 1;
      const rows = await db.query<AgentRow>(selectVersions, [workspaceId, id, before, query.limit + 1]);
      if (rows.length === 0) await found(workspaceId, id);
      return pageFrom(rows, query.limit, scope, (row) => ({ number: row.version }), agentFrom);
    },

    async update(workspaceId, id, params) {
      return untilFirst(`agent ${id}`, () => tryUpdate(workspaceId, id, params));
    },

    async archive(workspaceId, id) {
      const [row] = await db.query<AgentRow>(archiveOne, [workspaceId, id]);
      if (!row) throw notFound(`agent ${id} not found`);
      return agentFrom(row);
    },
  };
}

function checkedConfig(config: OwnConfig): OwnConfig {
  checkToolUse(config);
  checkServersUsed(config);
  return config;
}

const configWith = (
  own: OwnConfig,
  multiagent: MultiagentParams | null,
  owner: { id: string; version: number },
  known: (KnownAgent | undefined)[],
): AgentConfig => ({
  ...own,
  multiagent:
    multiagent &&
    resolvedMultiagent(
      multiagent,
      { id: owner.id, version: owner.version, inferenceGeo: own.model.inference_geo },
      known,
    ),
});

function configOf(agent: Agent): AgentConfig {
  const { id: _, type, version, created_at, updated_at, archived_at, ...config } = agent;
  return config;
}

interface AgentRow {
  id: string;
  version: number;
  config: AgentConfig;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
}

const agentFrom = (row: AgentRow): Agent => ({
  id: row.id,
  type: "agent",
  version: row.version,
  ...row.config,
  created_at: row.created_at,
  updated_at: row.updated_at,
  archived_at: row.archived_at,
});

interface KnownRow {
  id: string | null;
  version: number | null;
  config: AgentConfig | null;
  archived_at: string | null;
}

const knownAgent = (row: KnownRow): KnownAgent | undefined =>
  row.id === null
    ? undefined
    : {
        version: row.version,
        archived: row.archived_at !== null,
        coordinates: Boolean(row.config?.multiagent),
        inferenceGeo: row.config?.model.inference_geo,
      };

// A version was last updated when it was made.
const columns = "a.id, v.version, v.config, a.created_at, v.created_at as updated_at, a.archived_at";

const insertOne: Statement = {
  name: "agent_insert",
  text: `
    with a as (
      insert into agent (workspace_id, id, version, name, created_at, updated_at)
      select $1, $2, 1, $3, moment.at, moment.at
        from (select drover_now() as at offset 0) moment
      returning *
    ), v as (
      insert into agent_version (workspace_id, agent_id, version, config, created_at)
      select workspace_id, id, version, $4::json, created_at from a
      returning *
    )
    select ${columns} from a, v`,
};

const selectOne: Statement = {
  name: "agent_select",
  text: `
    select ${columns}
      from agent a
      join agent_version v on v.agent_id = a.id and v.version = coalesce($3::bigint, a.version)
     where a.workspace_id = $1 and a.id = $2`,
};

const selectPage: Statement = {
  name: "agent_page",
  text: `
    select ${columns}
      from agent a
      join agent_version v on v.agent_id = a.id and v.version = a.version
     where a.workspace_id = $1
       and (a.created_at, a.id) < ($2::timestamptz, $3)
       and a.created_at >= $4::timestamptz and a.created_at <= $5::timestamptz
       and (a.archived_at is null or $6)
     order by a.created_at desc, a.id desc
     limit $7`,
};

const selectVersions: Statement = {
  name: "agent_versions",
  text: `
    select ${columns}
      from agent a
      join agent_version v on v.agent_id = a.id and v.version < $3::bigint
     where a.workspace_id = $1 and a.id = $2
     order by v.version desc
     limit $4`,
};

const selectKnown: Statement = {
  name: "agent_known",
  text: `
    select a.id, v.version, v.config, a.archived_at
      from rows from (json_to_recordset($2::json) as (id text, version bigint))
           with ordinality as wanted (id, version, place)
      left join agent a on a.id = wanted.id and a.workspace_id = $1
      left join agent_version v on v.agent_id = a.id and v.version = coalesce(wanted.version, a.version)
     order by wanted.place`,
};

/** Changes nothing when the agent is no longer at the version that the new one was made from. */
const updateOne: Statement = {
  name: "agent_update",
  text: `
    with a as (
      update agent
         set version = version + 1, name = $4, updated_at = greatest(updated_at, drover_now())
       where workspace_id = $1 and id = $2 and version = $3 and archived_at is null
      returning *
    ), v as (
      insert into agent_version (workspace_id, agent_id, version, config, created_at)
      select workspace_id, id, version, $5::json, updated_at from a
      returning *
    )
    select ${columns} from a, v`,
};

const archiveOne: Statement = {
  name: "agent_archive",
  text: `
    with a as (
      update agent
         set archived_at = coalesce(archived_at, drover_now())
       where workspace_id = $1 and id = $2
      returning *
    )
    select ${columns} from a join agent_version v on v.agent_id = a.id and v.version = a.version`,
};

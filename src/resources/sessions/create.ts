import type { Database, Statement } from "../../db/database.ts";
import type { AppendEntry } from "../../log/append.ts";
import { arrivalEntries } from "../../log/arrival.ts";
import { readerOf } from "../../log/entry.ts";
import { primaryThreadOf } from "../../log/thread-id.ts";
import type { Environment } from "../../protocol/environments.ts";
import { invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { centsOf } from "../../protocol/money.ts";
import { filePathOf } from "../../protocol/session-resources.ts";
import type { CreateSession, Session } from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import { heldSources, insertCopies, requireSources } from "../files/copies.ts";
import type { Pin } from "../skills/pins.ts";
import { requireVaults } from "../vaults.ts";
import { hashesOf, type NamedFiles, namedDrafts } from "./named-files.ts";
import type { NewRepository } from "./repositories.ts";
import { type ResourceRow, resourcesJson } from "./resource-row.ts";
import { type SessionRow, sessionColumns, toSession } from "./row.ts";

// The rows of the environment and the vaults are locked so that they cannot be deleted or archived in between. All that a session is made of
// appears at once: with initial events it is already running when anybody first sees it.
const statement: Statement = {
  name: "session_create",
  text: `
with env as (
  select id, config, drover_now() as at from environment
  where id = $4 and workspace_id = $1 and archived_at is null for share
), vaults as materialized (
  select id from vault where id = any($19::text[]) and workspace_id = $1 and archived_at is null for share
), asked as materialized (
  select * from json_to_recordset($15::json) as r (position int, id text, source_id text, file_id text, mount_path text)
), ${heldSources}, made as (
  insert into session (workspace_id, id, agent_id, agent_version, agent, environment_id, environment_config, vault_ids,
    title, metadata, mounts_version, created_at, updated_at)
  select $1, $2, $5, $6, $3::json, env.id, env.config, $19, $7, $8::json,
    json_array_length($14::json) + (select count(*) from asked) + json_array_length($18::json), env.at, env.at from env
  where (select count(*) from sources) = (select count(*) from asked)
    and (select count(*) from vaults) = cardinality($19::text[])
  returning *, id as session_id, created_at as at
), copied as (
  ${insertCopies("made")}
), resources as (
  insert into session_resource as r (workspace_id, session_id, id, type, file_id, url, checkout, token, mount_path, position,
    created_at, updated_at)
  select $1, made.id, a.id, 'file', a.file_id, null, null, null, a.mount_path, a.position, made.at, made.at from made, asked a
  union all
  select $1, made.id, g.id, 'github_repository', null, g.url, g.checkout, g.token, g.mount_path, g.position, made.at, made.at
  from made, json_to_recordset($18::json) as g (
    position int, id text, url text, checkout json, token text, mount_path text)
  returning *
), skills as (
  insert into session_skill (workspace_id, session_id, skill_id, version_id)
  select $1, made.id, p.skill_id, p.version_id
  from made, json_to_recordset($14::json) as p (skill_id text, version_id text)
), held as (
  insert into session_content (workspace_id, session_id, sha256)
  select $1, made.id, content.sha256 from made, unnest($16::text[]) as content (sha256) order by content.sha256
), entries as (
  select * from json_to_recordset($9::json) as e (
    i int, id text, thread_id text, audience text, type text, body text)
), head as (
  insert into session_head (workspace_id, session_id, seq, last_at, status_at, budget_cents, spent_nano, status, usage,
    runnable_at, active_since, first_turn_seq, first_turn_at, work_environment_id, work_id, work_live, needs_reader)
  select $1, made.id, count(e.i), made.created_at, made.created_at, $12, case when $13 then 0 end,
    case when count(e.i) > 0 then 'running' else 'idle' end,
    '{"input_tokens":0,"output_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"server_tool_use":{"web_search_requests":0,"web_fetch_requests":0}}',
    case when count(e.i) > 0 then made.created_at end, case when count(e.i) > 0 then made.created_at end,
    case when count(e.i) > 0 then 1 end, case when count(e.i) > 0 then made.created_at end,
    made.work_environment_id, case when made.work_environment_id is not null then drover_id('work_') end,
    made.work_environment_id is not null, $17
  from (select *, case environment_config ->> 'type' when 'self_hosted' then environment_id end as work_environment_id
    from made) made
    left join entries e on true group by made.id, made.created_at, made.work_environment_id
  returning *
), worked as (
  insert into work_item (workspace_id, id, environment_id, session_id, state, created_at, offered_at)
  select $1, work_id, work_environment_id, session_id, 'queued', last_at, last_at from head where work_id is not null
  returning environment_id
), bells as materialized (
  select pg_notify('drover_work', environment_id) from worked
), thread as (
  insert into thread (workspace_id, session_id, id, status, created_at, updated_at)
  select $1, made.id, $10, head.status, made.created_at, made.created_at from made, head
), written as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, body, created_at)
  select $1, made.id, e.i, e.id, e.thread_id, e.audience, e.type, e.body::json, made.created_at from made, entries e
), rung as materialized (
  select pg_notify('drover', $11 || ' ' || session_id || ':' || seq || '!') from head where status = 'running'
)
select ${sessionColumns}, (select ${resourcesJson} from resources r) as made_resources, (select count(*) from rung) + (select count(*) from bells) as rung from made s join head h on h.session_id = s.id`,
};

export interface NewSession {
  agent: SessionAgent;
  environment: Pick<Environment, "id">;
  /** What it has of skills. */
  pins: readonly Pin[];
  /** What it is given of them, beside the files. */
  repositories: readonly NewRepository[];
  /** The files that the initial events name. */
  named: NamedFiles;
  /** Its model has a list price. */
  priced: boolean;
  params: Pick<CreateSession, "title" | "metadata" | "initial_events" | "budget" | "resources" | "vault_ids">;
}

/** Everything was checked but the files and the vaults; of the rest, only the end of the environment is looked at again. */
export async function createSession(
  db: Database,
  workspaceId: string,
  { agent, environment, pins, repositories, named, priced, params }: NewSession,
  from: number,
): Promise<Session> {
  const id = newId("session");
  const entries: AppendEntry[] = [
    ...namedDrafts(id, named),
    ...arrivalEntries(id, agent.name, params.initial_events ?? []),
  ];
  const files = (params.resources ?? []).flatMap((resource, i) =>
    resource.type === "file" ? [{ ...resource, position: i + 1, path: `resources.${i}.file_id` }] : [],
  );
  const vaultIds = params.vault_ids ?? [];
  const [row] = await db.query<SessionRow & { made_resources: ResourceRow[] }>(statement, [
    workspaceId,
    id,
    JSON.stringify(agent),
    environment.id,
    agent.id,
    agent.version,
    params.title ?? null,
    JSON.stringify(params.metadata ?? {}),
    JSON.stringify(entries.map((entry, i) => ({ ...entry, i: i + 1, body: JSON.stringify(entry.body) }))),
    primaryThreadOf(id),
    String(from),
    params.budget ? centsOf(params.budget) : null,
    priced,
    JSON.stringify(pins),
    JSON.stringify(
      files.map((file) => ({
        position: file.position,
        id: newId("resource"),
        source_id: file.file_id,
        file_id: newId("file"),
        mount_path: filePathOf(file),
      })),
    ),
    hashesOf(named),
    readerOf(entries),
    JSON.stringify(repositories),
    vaultIds,
  ]);
  if (!row) {
    await requireVaults(db, workspaceId, vaultIds);
    await requireSources(db, workspaceId, files);
    throw invalid(`environment_id: environment ${environment.id} is archived or gone`);
  }
  return toSession({ ...row, resources: row.made_resources });
}

import type { SandboxSettings } from "../../config/sandboxes.ts";
import type { Database, Statement } from "../../db/database.ts";
import type { Fleet } from "../../hands/fleet.ts";
import { limits } from "../../limits.ts";
import type { EnvironmentConfig } from "../../protocol/environments.ts";
import type { NetworkUse } from "../../protocol/network-use.ts";
import type { Sandbox } from "../../protocol/sandboxes.ts";
import type { SessionStatus } from "../../protocol/sessions.ts";
import type { SessionAgent } from "../../protocol/snapshots.ts";
import { sandboxSpec } from "../../tools/sandbox-spec.ts";
import { sessionNotFound } from "./read.ts";

export interface SandboxParts {
  hands: Pick<Fleet, "stateOf" | "driverOf">;
  sandboxes: Pick<SandboxSettings, "defaults" | "network">;
}

const find: Statement = {
  name: "session_sandbox",
  text: `select s.agent, s.environment_config as environment, s.archived_at, h.status, h.status_at, h.sandbox_at, h.seq,
    p.host_id, p.generation, p.moved_seq, p.placed_at
  from session s join session_head h on h.session_id = s.id left join placement p on p.session_id = s.id
  where s.id = $2 and s.workspace_id = $1`,
};

interface Row {
  agent: SessionAgent;
  environment: EnvironmentConfig;
  archived_at: string | null;
  status: SessionStatus;
  status_at: string;
  sandbox_at: string | null;
  seq: number;
  host_id: string | null;
  generation: number;
  moved_seq: number;
  placed_at: string;
}

// Of a long log only the end is looked at.
const results: Statement = {
  name: "session_refusals",
  text: `select e.created_at as at, e.body ->> 'tool_use_id' as tool_use_id, e.body -> 'network' as network
  from (select created_at, body from event
    where session_id = $1 and seq > $2 and type = 'agent.tool_result' order by seq desc limit $3) e
  where e.body -> 'network' -> 'refused' is not null`,
};

interface Told {
  at: string;
  tool_use_id: string;
  network: NetworkUse;
}

export async function readSandbox(
  db: Database,
  workspaceId: string,
  id: string,
  { hands, sandboxes }: SandboxParts,
): Promise<Sandbox> {
  const [row] = await db.query<Row>(find, [workspaceId, id]);
  if (!row) throw sessionNotFound(id);
  const { environment, agent, host_id, generation, moved_seq, placed_at } = row;
  const spec = environment.type === "cloud" ? sandboxSpec({ environment, agent, settings: sandboxes }) : null;
  const began = Math.max(0, row.seq - limits.network_refused_entries_max);
  const told = await db.query<Told>(results, [id, began, limits.network_refused_results_max]);
  const refused = told.flatMap(({ at, tool_use_id, network }) =>
    network.refused.map((one) => ({ at, tool_use_id, ...one })),
  );
  return {
    type: "sandbox",
    session_id: id,
    ...(await stateOf(row, async () =>
      host_id === null ? null : hands.stateOf(id, { host_id, generation, moved_seq }),
    )),
    host: host_id === null ? null : { id: host_id, driver: hands.driverOf(host_id), placed_at },
    workspace_since: row.sandbox_at,
    resources: spec?.limits ?? null,
    network: spec?.network ?? null,
    refused: refused.slice(0, limits.network_refused_shown_max),
    refused_more:
      refused.length > limits.network_refused_shown_max ||
      told.some(({ network }) => network.refused_more > 0) ||
      (began > 0 && told.length > 0),
  };
}

async function stateOf(
  row: Row,
  ask: () => ReturnType<Fleet["stateOf"]>,
): Promise<Pick<Sandbox, "state" | "since">> {
  if (row.status === "terminated") return { state: "ended", since: row.archived_at ?? row.status_at };
  if (row.sandbox_at === null && row.host_id === null) return { state: "none", since: null };
  if (row.host_id === null) return { state: "resting", since: null };
  return (await ask()) ?? { state: "unknown", since: null };
}

import type { Database, Statement } from "../../db/database.ts";
import { sessionNotFound } from "./read.ts";

/** What of a session's agent never changes: remembered, so that sending need not read first. */
export interface SessionAgents {
  of(db: Database, workspaceId: string, sessionId: string): Promise<SessionAgent>;
}

interface SessionAgent {
  name: string;
  /** Id of its model. */
  model: string;
}

const agentStatement: Statement = {
  name: "session_agent",
  text: `select agent ->> 'name' as name, agent -> 'model' ->> 'id' as model
    from session where id = $2 and workspace_id = $1`,
};

export function rememberAgents(most: number): SessionAgents {
  const known = new Map<string, SessionAgent>();
  return {
    async of(db, workspaceId, sessionId) {
      const key = `${workspaceId} ${sessionId}`;
      const agent = known.get(key);
      if (agent !== undefined) return agent;
      const [row] = await db.query<SessionAgent>(agentStatement, [workspaceId, sessionId]);
      if (!row) throw sessionNotFound(sessionId);
      if (known.size >= most) known.delete(known.keys().next().value ?? "");
      known.set(key, row);
      return row;
    },
  };
}

import type { Caps } from "../config.ts";
import type { Database } from "../db/database.ts";
import { readSpent, type Spent } from "../log/spend.ts";
import { dollars, nanoPerDollar } from "../protocol/money.ts";

/** Which cap of the server an agent's next model request would break, as said to the client; null is none. */
export type FindCap = (workspaceId: string, agentId: string) => Promise<string | null>;

/** Looked at before each model request, so that sessions at work together exceed a cap by at most one request each. */
export function capsOf(db: Database, caps: Caps): FindCap {
  const everSince = caps.per_agent !== null || caps.per_workspace !== null;
  const today = caps.per_agent_day !== null || caps.per_workspace_day !== null;
  if (!everSince && !today) return async () => null;
  return async (workspaceId, agentId) =>
    brokenCap(caps, await readSpent(db, workspaceId, agentId, everSince));
}

export function brokenCap(caps: Caps, spent: Spent): string | null {
  const looks = [
    {
      cap: caps.per_agent_day,
      spent: spent.agent_day,
      whose: "This agent",
      name: "PER_AGENT_DAY",
      day: true,
    },
    { cap: caps.per_agent, spent: spent.agent, whose: "This agent", name: "PER_AGENT", day: false },
    {
      cap: caps.per_workspace_day,
      spent: spent.workspace_day,
      whose: "This workspace",
      name: "PER_WORKSPACE_DAY",
      day: true,
    },
    {
      cap: caps.per_workspace,
      spent: spent.workspace,
      whose: "This workspace",
      name: "PER_WORKSPACE",
      day: false,
    },
  ];
  const broken = looks.find(({ cap, spent }) => cap !== null && spent >= cap * nanoPerDollar);
  if (!broken) return null;
  const when = broken.day ? ` on ${spent.day} (UTC)` : "";
  const next = broken.day ? "Send a message tomorrow, or raise" : "Raise";
  return `${broken.whose} has spent ${dollars(broken.spent)}${when}; the server allows ${dollars((broken.cap ?? 0) * nanoPerDollar)}. ${next} DROVER_CAP_${broken.name}.`;
}

import type { Caps } from "../config.ts";
import type { Database } from "../db/database.ts";
import { readSpent, type Spent } from "../log/spend.ts";
import { dollars, nanoPerDollar } from "../protocol/money.ts";
import type { AgentFacts } from "./session.ts";
import type { Spending } from "./spending.ts";

/**
 * Which cap of the server an agent's next model request would break, as said to the client; null is none. `unwritten` was
 * spent too, in billionths of a dollar, and is not in the log yet.
 */
export type FindCap = (workspaceId: string, agent: AgentFacts, unwritten: number) => Promise<string | null>;

/** Looked at before each model request, so that sessions at work together exceed a cap by at most one request each. */
export function capsOf(db: Database, caps: Caps, { isPriced }: Pick<Spending, "isPriced">): FindCap {
  const everSince = caps.per_agent !== null || caps.per_workspace !== null;
  const today = caps.per_agent_day !== null || caps.per_workspace_day !== null;
  if (!everSince && !today) return async () => null;
  return async (workspaceId, agent, unwritten) => {
    if (!isPriced(agent)) return unmeasured(agent);
    return brokenCap(caps, await readSpent(db, workspaceId, agent.id, everSince), unwritten);
  };
}

/** Which cap a workspace has reached, for requests that no agent makes; null is none. */
export function workspaceCapOf(db: Database, caps: Caps): (workspaceId: string) => Promise<string | null> {
  const { per_workspace, per_workspace_day } = caps;
  if (per_workspace === null && per_workspace_day === null) return async () => null;
  const ofWorkspace: Caps = { per_agent: null, per_agent_day: null, per_workspace, per_workspace_day };
  return async (workspaceId) =>
    brokenCap(ofWorkspace, await readSpent(db, workspaceId, "", per_workspace !== null));
}

/** Such a session was made before there were caps, or lists of prices had changed. */
const unmeasured = ({ model }: AgentFacts) =>
  `This server has caps on what may be spent, and the model ${model.id}, or one that judges its calls or searches the web for it, has no list price to measure it by. Add one to the file that DROVER_PRICES names.`;

export function brokenCap(caps: Caps, written: Spent, unwritten = 0): string | null {
  const spent = {
    agent: written.agent + unwritten,
    agent_day: written.agent_day + unwritten,
    workspace: written.workspace + unwritten,
    workspace_day: written.workspace_day + unwritten,
  };
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
  const when = broken.day ? ` on ${written.day} (UTC)` : "";
  const next = broken.day ? "Send a message tomorrow, or raise" : "Raise";
  return `${broken.whose} has spent ${dollars(broken.spent)}${when}; the server allows ${dollars((broken.cap ?? 0) * nanoPerDollar)}. ${next} DROVER_CAP_${broken.name}.`;
}

import { limits } from "../limits.ts";
import { type AssistantBlock, addUsage, noUsage } from "../models/model.ts";
import type { Effects } from "./drive.ts";
import { type Case, indeterminate, judgeRequest, verdictOf } from "./judge-prompt.ts";
import { isSettled } from "./judge-rules.ts";
import { type McpServerState, mcpToolNamed } from "./mcp.ts";
import type { JudgeCost, Judgement } from "./outcome.ts";
import { type AgentFacts, toolUseOf } from "./session.ts";

export interface Judged {
  /** By the place of a block in the reply; null where it is not a call under `auto`. */
  judgements: (Judgement | null)[];
  judge: JudgeCost | null;
  /** An abort came while the judge was asked: the reply does not count. */
  aborted: boolean;
}

/**
 * Decides for the calls of a reply whose policy is `auto`: by the rules where they say enough, else by asking the judge
 * about each call apart, so that none can speak for another. Whatever keeps it from an answer means that the client is
 * asked.
 *
 * The judge is a filter, not a wall: it can be fooled. What a call can reach at all is the sandbox's to say.
 */
export async function judgeReply(
  agent: AgentFacts,
  about: Case & { mcp_servers: readonly McpServerState[] },
  { callModel, judgeOf }: Pick<Effects, "callModel" | "judgeOf">,
  signal: AbortSignal,
  judge_ms: number = limits.judge_ms,
): Promise<Judged> {
  const model = judgeOf(agent.model.id);
  const judgements = about.reply.map((block) => firstJudgement(agent, about.mcp_servers, block));
  let usage = noUsage;

  const asked = about.reply
    .flatMap((block, place) => {
      if (judgements[place]?.type !== "ask" || block.type !== "tool_use") return [];
      const request = judgeRequest(model, about, block);
      return request ? [{ request, place }] : [];
    })
    .slice(0, limits.judge_calls_max);
  await inParallel(asked, limits.judge_parallel_max, async ({ request, place }) => {
    const timeout = AbortSignal.timeout(judge_ms);
    for await (const event of callModel(request, AbortSignal.any([signal, timeout]))) {
      if ("usage" in event) usage = addUsage(usage, event.usage);
      if (event.type === "finished") judgements[place] = verdictOf(event);
    }
  });
  const judge = asked.length > 0 ? { model, usage } : null;
  return { judgements, judge, aborted: judge !== null && signal.aborted };
}

/** What holds without the judge: allowed by the rules, or to be asked about. */
function firstJudgement(
  agent: AgentFacts,
  servers: readonly McpServerState[],
  block: AssistantBlock,
): Judgement | null {
  if (block.type !== "tool_use" || block.malformed !== undefined) return null;
  const known = mcpToolNamed(agent, servers, block.name);
  if (known) return known.enabled && known.policy === "auto" ? indeterminate : null;
  const use = toolUseOf(agent, block.name);
  if (use.kind !== "built_in" || use.policy !== "auto") return null;
  return isSettled(block.name, block.input) ? { type: "allow" } : indeterminate;
}

async function inParallel<Item>(
  items: Item[],
  max: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(max, items.length) }, worker));
}

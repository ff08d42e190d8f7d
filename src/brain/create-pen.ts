import { toolNamed } from "../tools/toolset.ts";
import { indeterminate } from "./judge-prompt.ts";
import { type McpServerState, mcpToolNamed } from "./mcp.ts";
import { autoEvaluated } from "./outcome-drafts.ts";
import type { Pen, Permission } from "./pen.ts";
import { type AgentFacts, type PolicyType, type SessionFacts, toolUseOf } from "./session.ts";
import { budgetCents, isAtCap, type Spending, spentNano } from "./spending.ts";
import type { State } from "./state.ts";

export interface PenParts {
  newId(): string;
  now: number;
  random(): number;
  spending: Spending;
}

/** Writes for a session as its log has it. */
export function createPen(
  facts: SessionFacts,
  state: State,
  { newId, now, random, spending }: PenParts,
): Pen {
  const agent = state.agent ?? facts.agent;
  return {
    agent,
    newId,
    now,
    random,
    permission: (name) => permissionOf(agent, state.mcp_servers, name),
    runnerOf: (name) => (facts.self_hosted && toolNamed(name) ? "worker" : "server"),
    costOf: spending.costOf,
    search_nano: spending.search_nano,
    unreachable: facts.unreachable ?? [],
    money: (at) => ({
      spent_nano: spentNano(at, facts, spending, now),
      budget_cents: budgetCents(at, facts),
      at_cap: isAtCap(at, facts, spending, now),
    }),
  };
}

function permissionOf(agent: AgentFacts, servers: readonly McpServerState[], name: string): Permission {
  const known = mcpToolNamed(agent, servers, name);
  if (known) {
    const { server, tool, enabled, policy } = known;
    const of = { kind: "mcp", server_name: server.name, tool_name: tool.name } as const;
    return enabled ? { ...of, ...evaluatedBy(policy) } : { ...of, evaluated: "deny" };
  }
  const use = toolUseOf(agent, name);
  switch (use.kind) {
    case "custom":
      return use;
    case "not_enabled":
      return { kind: "built_in", evaluated: "deny" };
    case "built_in":
      return { kind: "built_in", ...evaluatedBy(use.policy) };
  }
}

function evaluatedBy(policy: PolicyType) {
  switch (policy) {
    case "always_allow":
      return { evaluated: "allow", evaluation: { type: "always_allow" } } as const;
    case "always_ask":
      return { evaluated: "ask", evaluation: { type: "always_ask" } } as const;
    case "auto":
      return autoEvaluated(indeterminate);
  }
}

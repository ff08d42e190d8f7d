import { z } from "zod";
import { limits } from "../limits.ts";
import {
  type Agent,
  checkToolUse,
  type ModelParams,
  mcpServersParams,
  modelParams,
  resolvedModel,
  resolvedSkills,
  skillsParams,
  systemParams,
} from "./agents.ts";
import { invalid } from "./errors.ts";
import { initialEventParams, usageSnapshot } from "./events.ts";
import { idOf } from "./ids.ts";
import { metadata, metadataParams, metadataPatch } from "./metadata.ts";
import { budget, budgetParams } from "./money.ts";
import { intMax, order, pageQuery, queryBoolean, queryInteger, queryList, timeRange } from "./page.ts";
import { resolvedTools } from "./resolve-tools.ts";
import { resourcesParams, sessionResource } from "./session-resources.ts";
import { type SessionAgent, sessionAgentSnapshot, type ThreadAgent } from "./snapshots.ts";
import { toolsParams } from "./tools.ts";
import { workState } from "./work.ts";

/** A *session* is an agent at work in an environment: an append-only log and what mirrors it. */

const agentReference = {
  id: idOf("agent"),
  version: z.int().min(1).optional(),
};

const overridesShape = {
  model: modelParams.nullish(),
  system: systemParams,
  tools: toolsParams.nullish(),
  mcp_servers: mcpServersParams.nullish(),
  skills: skillsParams.nullish(),
};
const overrides = z.strictObject(overridesShape);
/** Omitted fields inherit from the agent, null clears, a value replaces whole. */
export type AgentOverrides = z.infer<typeof overrides>;

const agentParam = z.union([
  idOf("agent"),
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("agent"), ...agentReference }),
    z.strictObject({ type: z.literal("agent_with_overrides"), ...agentReference, ...overridesShape }),
  ]),
]);
export type AgentParam = z.infer<typeof agentParam>;

/** Which agent a session asks for, and what it changes about it. */
export function agentAsked(param: AgentParam): {
  id: string;
  version: number | null;
  overrides: AgentOverrides;
} {
  if (typeof param === "string") return { id: param, version: null, overrides: {} };
  const { type: _, id, version, ...rest } = param;
  return { id, version: version ?? null, overrides: rest };
}

const title = z.string().max(limits.title_chars_max).nullish();

/** In the order in which they are looked through for a credential. */
const vaultIds = z
  .array(idOf("vault"))
  .max(limits.session_vaults_max)
  .superRefine((ids, context) => {
    for (const [i, id] of ids.entries())
      if (ids.indexOf(id) < i)
        context.addIssue({ code: "custom", path: [i], message: "names a vault for the second time" });
  });

export const createSessionBody = z.strictObject({
  agent: agentParam,
  environment_id: idOf("environment"),
  title,
  metadata: metadataParams.optional(),
  resources: resourcesParams.optional(),
  vault_ids: vaultIds.optional(),
  budget: budgetParams.nullish(),
  initial_events: z
    .array(initialEventParams)
    .max(limits.initial_events_max)
    .refine(
      (events) => events.filter((event) => event.type === "user.define_outcome").length <= 1,
      "holds more than one user.define_outcome",
    )
    .optional(),
});
export type CreateSession = z.infer<typeof createSessionBody>;

export const updateSessionBody = z.strictObject({
  title,
  metadata: metadataPatch.nullish(),
  /** Full replacements; they apply from the next turn. */
  agent: z
    .strictObject({ tools: toolsParams.optional(), mcp_servers: mcpServersParams.optional() })
    .optional(),
  /** Only of a session that was created with one; null removes it for good. */
  budget: budgetParams.nullish(),
  vault_ids: z.never("cannot be changed: a session keeps the vaults that it was created with").optional(),
});
export type UpdateSession = z.infer<typeof updateSessionBody>;

/** Beyond the official API. What is not named is as in the session that is forked. */
export const forkSessionBody = z
  .strictObject({
    /** The last event that the fork has of the session; the newest unless it says so. */
    event_id: idOf("event").optional(),
    title,
    metadata: metadataParams.optional(),
  })
  .default({});
export type ForkSession = z.infer<typeof forkSessionBody>;

export const sessionStatus = z.enum(["rescheduling", "running", "idle", "terminated"]);
export type SessionStatus = z.infer<typeof sessionStatus>;

const filterId = z.string().max(100).optional();
export const listSessionsQuery = pageQuery().extend({
  order: order.default("desc"),
  agent_id: filterId,
  /** As the official API: without `agent_id` it means nothing. */
  agent_version: queryInteger(z.int().min(1).max(intMax)).optional(),
  deployment_id: filterId,
  memory_store_id: filterId,
  statuses: queryList(sessionStatus).optional(),
  include_archived: queryBoolean.default(false),
  created_at: timeRange.optional(),
});
export type ListSessions = z.infer<typeof listSessionsQuery>;

/**
 * Beyond the official API: what a session that does not work waits for, and since when. `retry`: the model, until
 * `until`. `worker`: a server that takes it up. `upgrade`: a server of a newer version, which has written what this one
 * cannot read.
 */
export const waitingFor = z.object({
  type: z.enum(["message", "requires_action", "budget", "retry", "worker", "upgrade"]),
  since: z.string(),
  until: z.string().nullable(),
  /** The events that the client has to answer. */
  event_ids: z.array(z.string()),
});
export type WaitingFor = z.infer<typeof waitingFor>;

/**
 * Beyond the official API, of a session in a self-hosted environment: its newest work item, the worker that had it last, and
 * when that was last heard of.
 */
export const sessionWork = z.object({
  id: z.string(),
  state: workState,
  worker_id: z.string().nullable(),
  worker_seen_at: z.string().nullable(),
});
export type SessionWork = z.infer<typeof sessionWork>;

/** Beyond the official API: whose log and workspace it began with, up to which event. */
const forkedFrom = z.object({ session_id: z.string(), event_id: z.string().nullable() });
export type ForkedFrom = z.infer<typeof forkedFrom>;

export const session = z.object({
  id: z.string(),
  type: z.literal("session"),
  status: sessionStatus,
  title: z.string().nullable(),
  agent: sessionAgentSnapshot,
  environment_id: z.string(),
  metadata,
  resources: z.array(sessionResource),
  vault_ids: z.array(z.string()),
  budget: budget.nullable(),
  outcome_evaluations: z.array(z.never()),
  stats: z.object({ active_seconds: z.number(), duration_seconds: z.number() }),
  usage: usageSnapshot,
  deployment_id: z.string().nullable(),
  waiting_for: waitingFor.nullable(),
  work: sessionWork.nullable(),
  forked_from: forkedFrom.nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
});
export type Session = z.infer<typeof session>;

export const deletedSession = z.object({ id: z.string(), type: z.literal("session_deleted") });

/** The snapshot a session runs with. Throws where the overrides contradict the agent or each other. */
export function sessionAgent(agent: Agent, overrides: AgentOverrides = {}): SessionAgent {
  if (overrides.model === null) {
    throw invalid("agent.model: cannot be cleared", { code: "agent_model_required" });
  }
  if (agent.multiagent) {
    throw invalid(`agent: ${agent.id} has multiagent set, which sessions do not support yet`);
  }
  const { model, system, tools, mcp_servers, skills } = overrides;
  const effective: SessionAgent = {
    id: agent.id,
    type: "agent",
    version: agent.version,
    name: agent.name,
    description: agent.description,
    model: model ? modelWithoutEffort(model) : agent.model,
    system: system === undefined ? agent.system : system || null,
    tools: tools === undefined ? agent.tools : resolvedTools(tools ?? []),
    mcp_servers: mcp_servers === undefined ? agent.mcp_servers : (mcp_servers ?? []),
    skills: skills === undefined ? agent.skills : resolvedSkills(skills ?? []),
    execution_identity: agent.execution_identity,
    multiagent: null,
  };
  checkToolUse(effective, "agent.");
  return effective;
}

/** A model override runs at its model's default effort, whatever it or the agent names. */
const modelWithoutEffort = (model: ModelParams) =>
  resolvedModel(typeof model === "string" ? model : { ...model, effort: null });

/** The snapshot after an update, which the saved agent does not notice. */
export function updatedSessionAgent(agent: SessionAgent, params: UpdateSession["agent"]): SessionAgent {
  if (!params) return agent;
  const updated: SessionAgent = {
    ...agent,
    tools: params.tools === undefined ? agent.tools : resolvedTools(params.tools),
    mcp_servers: params.mcp_servers ?? agent.mcp_servers,
  };
  checkToolUse(updated, "agent.");
  return updated;
}

/** The snapshot that the primary thread shows. */
export function primaryThreadAgent(agent: SessionAgent): ThreadAgent {
  const { multiagent: _, ...rest } = agent;
  return rest;
}

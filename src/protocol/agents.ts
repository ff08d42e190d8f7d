import { z } from "zod";
import { invalid } from "./errors.ts";
import { type Metadata, metadata, metadataParams, metadataPatch, patchedMetadata } from "./metadata.ts";
import { multiagent, multiagentParams } from "./multiagent.ts";
import { inclusiveTimeRange, pageQuery, queryBoolean, queryInteger } from "./page.ts";
import { resolvedTools } from "./resolve-tools.ts";
import { type Tool, tool, toolsParams } from "./tools.ts";

/** An *agent* is a named, versioned configuration of a model with its tools. */

const effort = z.enum(["low", "medium", "high", "xhigh", "max"]);
const speed = z.enum(["standard", "fast"]);
const modelId = z.string().min(1).max(256);

export const modelParams = z.union([
  modelId,
  z.strictObject({
    id: modelId,
    effort: z.union([z.strictObject({ type: effort }), effort]).nullish(),
    speed: speed.nullish(),
    inference_geo: z
      .string()
      .refine((geo) => geo === "us" || geo === "global", 'must be "us" or "global"')
      .nullish(),
  }),
]);
export type ModelParams = z.infer<typeof modelParams>;

const effortLevel = z.discriminatedUnion("type", [
  z.object({ type: z.literal("low") }),
  z.object({ type: z.literal("medium") }),
  z.object({ type: z.literal("high") }),
  z.object({ type: z.literal("xhigh") }),
  z.object({ type: z.literal("max") }),
]);

export const modelConfig = z.object({
  id: z.string(),
  effort: effortLevel,
  speed,
  inference_geo: z.string().optional(),
});
export type ModelConfig = z.infer<typeof modelConfig>;

const listedOnce =
  <Field extends string>(field: Field) =>
  (entries: Record<Field, string>[], context: z.RefinementCtx) => {
    const seen = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      if (seen.has(entry[field])) {
        context.addIssue({ code: "custom", path: [index, field], message: "is listed twice" });
      }
      seen.add(entry[field]);
    }
  };

export const mcpServersParams = z
  .array(
    z.strictObject({
      type: z.literal("url"),
      name: z.string().min(1).max(255),
      url: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2048),
    }),
  )
  .max(20)
  .superRefine(listedOnce("name"));

const mcpServer = z.object({ type: z.literal("url"), name: z.string(), url: z.string() });

const skillVersion = z.string().min(1).max(64).nullish();
export const skillsParams = z
  .array(
    z.discriminatedUnion("type", [
      z.strictObject({
        type: z.literal("anthropic"),
        skill_id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be a short name such as "xlsx"'),
        version: skillVersion,
      }),
      z.strictObject({
        type: z.literal("custom"),
        skill_id: z.string().regex(/^skill_[A-Za-z0-9_-]{1,64}$/, 'must be an id that starts with "skill_"'),
        version: skillVersion,
      }),
    ]),
  )
  .max(500)
  .superRefine(listedOnce("skill_id"));
export type SkillParams = z.infer<typeof skillsParams>[number];

const skillFields = { skill_id: z.string(), version: z.string() };
const skill = z.discriminatedUnion("type", [
  z.object({ type: z.literal("anthropic"), ...skillFields }),
  z.object({ type: z.literal("custom"), ...skillFields }),
]);
export type Skill = z.infer<typeof skill>;

const executionIdentityParams = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("service_account") }),
  z.strictObject({ type: z.literal("aws_role"), role_arn: z.string().min(1).max(2048) }),
]);
const executionIdentity = z.discriminatedUnion("type", [
  z.object({ type: z.literal("service_account") }),
  z.object({ type: z.literal("aws_role"), role_arn: z.string() }),
]);

const name = z.string().min(1).max(256);
const description = z.string().max(2048).nullish();
export const systemParams = z.string().max(100_000).nullish();

export const createAgentBody = z.strictObject({
  name,
  model: modelParams,
  description,
  system: systemParams,
  tools: toolsParams.optional(),
  mcp_servers: mcpServersParams.optional(),
  skills: skillsParams.optional(),
  multiagent: multiagentParams.nullish(),
  execution_identity: executionIdentityParams.nullish(),
  metadata: metadataParams.optional(),
});
export type CreateAgent = z.infer<typeof createAgentBody>;

export const updateAgentBody = z.strictObject({
  version: z.int().min(1).optional(),
  name: name.optional(),
  model: modelParams.optional(),
  description,
  system: systemParams,
  tools: toolsParams.nullish(),
  mcp_servers: mcpServersParams.nullish(),
  skills: skillsParams.nullish(),
  multiagent: multiagentParams.nullish(),
  execution_identity: executionIdentityParams.nullish(),
  metadata: metadataPatch.nullish(),
});
export type UpdateAgent = z.infer<typeof updateAgentBody>;

export const getAgentQuery = z.strictObject({ version: queryInteger(z.int().min(1)).optional() });
export const listAgentsQuery = pageQuery().extend({
  include_archived: queryBoolean.default(false),
  created_at: inclusiveTimeRange.optional(),
});
export type ListAgents = z.infer<typeof listAgentsQuery>;
export const listAgentVersionsQuery = pageQuery();
export type ListAgentVersions = z.infer<typeof listAgentVersionsQuery>;

/** What both an agent and the snapshot of it in a session or a thread hold. */
export const agentSnapshotShape = {
  name: z.string(),
  description: z.string().nullable(),
  model: modelConfig,
  system: z.string().nullable(),
  tools: z.array(tool),
  mcp_servers: z.array(mcpServer),
  skills: z.array(skill),
  execution_identity: executionIdentity,
};

/** What a version holds: everything a client can set. */
export const agentConfig = z.object({
  ...agentSnapshotShape,
  multiagent: multiagent.nullable(),
  metadata,
});
export type AgentConfig = z.infer<typeof agentConfig>;

export const agent = z.object({
  id: z.string(),
  type: z.literal("agent"),
  version: z.int(),
  ...agentConfig.shape,
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
});
export type Agent = z.infer<typeof agent>;

/** Everything but `multiagent`, which names other agents and is resolved by `resolve-multiagent.ts`. */
export type OwnConfig = Omit<AgentConfig, "multiagent">;

/** The effort when nobody names one. */
const effortDefault = (modelId: string) =>
  /^(anthropic\/)?claude-(opus|haiku)-5-5(?!\d)/.test(modelId) ? "medium" : "high";

export function resolvedModel(params: ModelParams, stored?: ModelConfig): ModelConfig {
  const given = typeof params === "string" ? { id: params } : params;
  const level = typeof given.effort === "string" ? { type: given.effort } : given.effort;
  const kept = stored?.id === given.id ? stored.effort : undefined;
  return {
    id: given.id,
    effort: level ?? kept ?? { type: effortDefault(given.id) },
    speed: given.speed ?? "standard",
    ...(given.inference_geo && { inference_geo: given.inference_geo }),
  };
}

export const resolvedSkills = (skills: SkillParams[]): Skill[] =>
  skills.map((entry) => ({ ...entry, version: entry.version ?? "latest" }));

const textOrNull = (text: string | null | undefined) => text || null;

export function createdConfig(params: CreateAgent): OwnConfig {
  return {
    name: params.name,
    description: textOrNull(params.description),
    model: resolvedModel(params.model),
    system: textOrNull(params.system),
    tools: resolvedTools(params.tools ?? []),
    mcp_servers: params.mcp_servers ?? [],
    skills: resolvedSkills(params.skills ?? []),
    execution_identity: params.execution_identity ?? { type: "service_account" },
    metadata: params.metadata ?? {},
  };
}

/** Omitted fields keep their value, null and empty ones clear it. */
export function updatedConfig(current: OwnConfig, params: UpdateAgent): OwnConfig {
  const over = <Given, Value>(given: Given | undefined, kept: Value, resolve: (given: Given) => Value) =>
    given === undefined ? kept : resolve(given);
  return {
    name: params.name ?? current.name,
    description: over(params.description, current.description, textOrNull),
    model: over(params.model, current.model, (model) => resolvedModel(model, current.model)),
    system: over(params.system, current.system, textOrNull),
    tools: over(params.tools, current.tools, (tools) => resolvedTools(tools ?? [])),
    mcp_servers: over(params.mcp_servers, current.mcp_servers, (servers) => servers ?? []),
    skills: over(params.skills, current.skills, (skills) => resolvedSkills(skills ?? [])),
    execution_identity: over(
      params.execution_identity,
      current.execution_identity,
      (identity) => identity ?? { type: "service_account" },
    ),
    metadata: over(
      params.metadata,
      current.metadata,
      (patch): Metadata => patchedMetadata(current.metadata, patch ?? {}),
    ),
  };
}

type ToolUse = Pick<AgentConfig, "tools" | "mcp_servers" | "skills">;

const canRead = (tools: Tool[]) =>
  tools.some(
    (entry) =>
      entry.type === "agent_toolset_20260401" &&
      entry.configs.some((config) => config.name === "read" && config.enabled),
  );

/** Refuses toolsets and skills that lack what they stand on. `prefix` leads the paths in messages. */
export function checkToolUse(config: ToolUse, prefix = ""): void {
  const servers = new Set(config.mcp_servers.map((server) => server.name));
  for (const [index, entry] of config.tools.entries()) {
    if (entry.type === "mcp_toolset" && !servers.has(entry.mcp_server_name)) {
      throw invalid(
        `${prefix}tools.${index}.mcp_server_name: "${entry.mcp_server_name}" is not in ${prefix}mcp_servers`,
      );
    }
  }
  if (config.skills.length > 0 && !canRead(config.tools)) {
    throw invalid(`${prefix}skills: need an agent toolset in ${prefix}tools whose read tool is enabled`);
  }
}

/** Refuses MCP servers that no toolset uses. */
export function checkServersUsed(config: ToolUse): void {
  const used = new Set(
    config.tools.flatMap((entry) => (entry.type === "mcp_toolset" ? [entry.mcp_server_name] : [])),
  );
  for (const [index, server] of config.mcp_servers.entries()) {
    if (!used.has(server.name)) {
      throw invalid(`mcp_servers.${index}.name: no mcp_toolset in tools refers to "${server.name}"`);
    }
  }
}

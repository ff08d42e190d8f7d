import { z } from "zod";
import { domainProblem, sameDomainKey } from "./domains.ts";

/** The `tools` of an agent: as clients send them (`...Params`) and fully resolved, as they come back. */

export const builtInTools = [
  "bash",
  "read",
  "write",
  "edit",
  "glob",
  "grep",
  "web_fetch",
  "web_search",
] as const;
export type BuiltInTool = (typeof builtInTools)[number];

const policy = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("always_allow") }),
  z.strictObject({ type: z.literal("always_ask") }),
  z.strictObject({ type: z.literal("auto") }),
]);

const settingsParams = {
  enabled: z.boolean().nullish(),
  permission_policy: policy.nullish(),
};
const defaultConfigParams = z.strictObject(settingsParams);

const settings = { enabled: z.boolean(), permission_policy: policy };
const defaultConfig = z.object(settings);
export type ToolSettings = z.infer<typeof defaultConfig>;

// Web tools.

const domains = (options: { path: boolean }) =>
  z
    .array(z.string().min(1).max(255))
    .min(1, "must not be empty; omit the field instead")
    .max(64)
    .superRefine((list, context) => {
      const seen = new Set<string>();
      for (const [index, domain] of list.entries()) {
        const key = sameDomainKey(domain);
        const problem = seen.has(key) ? "is listed twice" : domainProblem(domain, options);
        seen.add(key);
        if (problem) context.addIssue({ code: "custom", path: [index], message: problem });
      }
    });

const domainLists = (options: { path: boolean }) => ({
  allowed_domains: domains(options).optional(),
  blocked_domains: domains(options).optional(),
});

const namedOnce = <Entry extends { name: string }>(entries: Entry[]) =>
  new Set(entries.map((entry) => entry.name)).size === entries.length;

const toolReference = z.strictObject({ type: z.literal("tool_reference"), name: z.string().min(1).max(128) });
const toolReferences = z.array(toolReference).min(1).max(128).refine(namedOnce, "names a tool twice");

const all = z.strictObject({ type: z.literal("all") });
const none = z.strictObject({ type: z.literal("none") });
const toolFilter = z.discriminatedUnion("type", [
  all,
  none,
  z.strictObject({ type: z.literal("only"), tools: toolReferences }),
  z.strictObject({ type: z.literal("except"), tools: toolReferences }),
]);
const userInputSource = z.discriminatedUnion("type", [all, none]);
const shorthand = z.enum(["all", "none"]);

const urlSources = z.object({
  client_tool_results: toolFilter.nullable(),
  server_tool_results: toolFilter.nullable(),
  user_input: userInputSource.nullable(),
});
export type UrlSources = z.infer<typeof urlSources>;

const isNone = (source: unknown) =>
  source === "none" ||
  (typeof source === "object" && source !== null && "type" in source && source.type === "none");

const urlSourcesParams = z
  .strictObject({
    client_tool_results: z.union([toolFilter, shorthand]).nullish(),
    server_tool_results: z.union([toolFilter, shorthand]).nullish(),
    user_input: z.union([userInputSource, shorthand]).nullish(),
  })
  .refine(
    (sources) =>
      !(
        isNone(sources.client_tool_results) &&
        isNone(sources.server_tool_results) &&
        isNone(sources.user_input)
      ),
    "must leave at least one source; to fetch nothing, disable the tool",
  );
export type UrlSourcesParams = z.infer<typeof urlSourcesParams>;

const optionalText = z.string().min(1).max(255).nullish();
const userLocation = z.strictObject({
  type: z.literal("approximate"),
  city: optionalText,
  region: optionalText,
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, "must be a two-letter country code in upper case")
    .nullish(),
  timezone: optionalText,
});

const notBothLists = (config: { allowed_domains?: unknown; blocked_domains?: unknown }) =>
  config.allowed_domains === undefined || config.blocked_domains === undefined;
const bothLists = "allowed_domains and blocked_domains cannot be combined";

const webFetchOptions = {
  ...domainLists({ path: false }),
  max_content_tokens: z.int().min(1).nullish(),
};
const webSearchOptions = {
  ...domainLists({ path: true }),
  user_location: userLocation.nullish(),
};

// The agent toolset.

const configParams = <Name extends BuiltInTool>(name: Name) =>
  z.strictObject({ name: z.literal(name), type: z.literal(name).optional(), ...settingsParams });
const config = <Name extends BuiltInTool>(name: Name) =>
  z.object({ name: z.literal(name), type: z.literal(name), ...settings });

const toolConfigParams = z.discriminatedUnion("name", [
  configParams("bash"),
  configParams("read"),
  configParams("write"),
  configParams("edit"),
  configParams("glob"),
  configParams("grep"),
  configParams("web_fetch")
    .extend({ ...webFetchOptions, url_sources: urlSourcesParams.nullish() })
    .refine(notBothLists, bothLists),
  configParams("web_search").extend(webSearchOptions).refine(notBothLists, bothLists),
]);
export type ToolConfigParams = z.infer<typeof toolConfigParams>;

const toolConfig = z.discriminatedUnion("name", [
  config("bash"),
  config("read"),
  config("write"),
  config("edit"),
  config("glob"),
  config("grep"),
  config("web_fetch").extend({ ...webFetchOptions, url_sources: urlSources.nullable() }),
  config("web_search").extend(webSearchOptions),
]);
export type ToolConfig = z.infer<typeof toolConfig>;

const agentToolsetParams = z.strictObject({
  type: z.literal("agent_toolset_20260401"),
  configs: z.array(toolConfigParams).refine(namedOnce, "configures a tool twice").optional(),
  default_config: defaultConfigParams.nullish(),
});
export type AgentToolsetParams = z.infer<typeof agentToolsetParams>;

const agentToolset = z.object({
  type: z.literal("agent_toolset_20260401"),
  configs: z.array(toolConfig),
  default_config: defaultConfig,
});
export type AgentToolset = z.infer<typeof agentToolset>;

// MCP toolsets.

const mcpServerName = z.string().min(1).max(255);
const mcpToolName = z.string().min(1).max(128);

const mcpToolsetParams = z.strictObject({
  type: z.literal("mcp_toolset"),
  mcp_server_name: mcpServerName,
  configs: z
    .array(z.strictObject({ name: mcpToolName, ...settingsParams }))
    .refine(namedOnce, "configures a tool twice")
    .optional(),
  default_config: defaultConfigParams.nullish(),
});
export type McpToolsetParams = z.infer<typeof mcpToolsetParams>;

const mcpToolset = z.object({
  type: z.literal("mcp_toolset"),
  mcp_server_name: z.string(),
  configs: z.array(z.object({ name: z.string(), ...settings })),
  default_config: defaultConfig,
});
export type McpToolset = z.infer<typeof mcpToolset>;

// Custom tools.

const propertyName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, "must be 1 to 64 letters, digits, underscores, dots or hyphens");

function holdsReference(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  return Object.hasOwn(schema, "$ref") || Object.values(schema).some(holdsReference);
}

const inputSchema = z
  .looseObject({
    type: z.literal("object"),
    properties: z.record(propertyName, z.unknown()).nullish(),
    required: z.array(z.string()).nullish(),
  })
  .superRefine((schema, context) => {
    for (const key of ["oneOf", "anyOf", "allOf"]) {
      if (Object.hasOwn(schema, key)) {
        context.addIssue({ code: "custom", path: [key], message: "is not allowed at the top level" });
      }
    }
    if (holdsReference(schema)) context.addIssue({ code: "custom", message: "must not hold $ref" });
  });

const reservedPrefix = /^(mcp__|ant__)/;
const isBuiltIn = (name: string) => builtInTools.some((tool) => tool === name);

const customToolParams = z.strictObject({
  type: z.literal("custom"),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,128}$/, "must be 1 to 128 letters, digits, underscores or hyphens")
    .refine((name) => !isBuiltIn(name), "is the name of a built-in tool")
    .refine((name) => !reservedPrefix.test(name), 'must not start with "mcp__" or "ant__"'),
  description: z.string().min(1),
  input_schema: inputSchema,
});

const customTool = z.object({
  type: z.literal("custom"),
  name: z.string(),
  description: z.string(),
  input_schema: inputSchema,
});

// The list.

const toolParams = z.discriminatedUnion("type", [agentToolsetParams, mcpToolsetParams, customToolParams]);
export type ToolParams = z.infer<typeof toolParams>;

export const tool = z.discriminatedUnion("type", [agentToolset, mcpToolset, customTool]);
export type Tool = z.infer<typeof tool>;

interface Problem {
  path: (string | number)[];
  message: string;
}

function repeats(tools: ToolParams[]): Problem[] {
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const [index, entry] of tools.entries()) {
    const [key, field] =
      entry.type === "custom"
        ? [`custom ${entry.name}`, "name"]
        : entry.type === "mcp_toolset"
          ? [`mcp ${entry.mcp_server_name}`, "mcp_server_name"]
          : ["agent_toolset", "type"];
    if (seen.has(key)) problems.push({ path: [index, field], message: "is listed twice" });
    seen.add(key);
  }
  return problems;
}

/** Names in a `url_sources` filter must be tools that can produce such results. */
function unknownSources(tools: ToolParams[]): Problem[] {
  const custom = new Set(tools.flatMap((entry) => (entry.type === "custom" ? [entry.name] : [])));
  const web = new Set(["web_search", "web_fetch"]);
  const problems: Problem[] = [];
  for (const [index, entry] of tools.entries()) {
    if (entry.type !== "agent_toolset_20260401") continue;
    for (const [place, config] of (entry.configs ?? []).entries()) {
      if (config.name !== "web_fetch") continue;
      for (const [source, known] of [
        ["client_tool_results", custom],
        ["server_tool_results", web],
      ] as const) {
        const filter = config.url_sources?.[source];
        if (typeof filter !== "object" || filter === null || !("tools" in filter)) continue;
        for (const [at, { name }] of filter.tools.entries()) {
          if (known.has(name)) continue;
          const what = known === web ? "must be web_search or web_fetch" : "is not a custom tool in tools";
          problems.push({
            path: [index, "configs", place, "url_sources", source, "tools", at, "name"],
            message: what,
          });
        }
      }
    }
  }
  return problems;
}

export const toolsParams = z
  .array(toolParams)
  .max(256)
  .superRefine((tools, context) => {
    for (const problem of [...repeats(tools), ...unknownSources(tools)]) {
      context.addIssue({ code: "custom", ...problem });
    }
  });

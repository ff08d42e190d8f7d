import {
  type AgentToolset,
  type AgentToolsetParams,
  builtInTools,
  type McpToolset,
  type McpToolsetParams,
  type Tool,
  type ToolConfig,
  type ToolConfigParams,
  type ToolParams,
  type ToolSettings,
  type UrlSources,
  type UrlSourcesParams,
} from "./tools.ts";

/** Tools with every default filled in. What comes out may be sent in again and resolves to itself. */
export const resolvedTools = (tools: ToolParams[]): Tool[] => tools.map(resolvedTool);

function resolvedTool(tool: ToolParams): Tool {
  switch (tool.type) {
    case "agent_toolset_20260401":
      return resolvedAgentToolset(tool);
    case "mcp_toolset":
      return resolvedMcpToolset(tool);
    case "custom":
      return tool;
  }
}

interface SettingsParams {
  enabled?: boolean | null | undefined;
  permission_policy?: ToolSettings["permission_policy"] | null | undefined;
}

interface DomainsParams {
  allowed_domains?: string[] | null | undefined;
  blocked_domains?: string[] | null | undefined;
}

const settingsOver = (defaults: ToolSettings, given: SettingsParams | null | undefined): ToolSettings => ({
  enabled: given?.enabled ?? defaults.enabled,
  permission_policy: given?.permission_policy ?? defaults.permission_policy,
});

function resolvedAgentToolset(toolset: AgentToolsetParams): AgentToolset {
  const defaults = settingsOver(
    { enabled: true, permission_policy: { type: "always_allow" } },
    toolset.default_config,
  );
  const given = new Map(toolset.configs?.map((config) => [config.name, config]));
  return {
    type: toolset.type,
    configs: builtInTools.map((name) => resolvedConfig(given.get(name) ?? { name }, defaults)),
    default_config: defaults,
  };
}

function resolvedConfig(config: ToolConfigParams, defaults: ToolSettings): ToolConfig {
  const settings = settingsOver(defaults, config);
  switch (config.name) {
    case "web_fetch":
      return {
        type: config.name,
        name: config.name,
        ...settings,
        ...domainsOf(config),
        max_content_tokens: config.max_content_tokens ?? null,
        url_sources: config.url_sources ? resolvedUrlSources(config.url_sources) : null,
      };
    case "web_search":
      return {
        type: config.name,
        name: config.name,
        ...settings,
        ...domainsOf(config),
        user_location: config.user_location ?? null,
      };
    default:
      return { type: config.name, name: config.name, ...settings } as ToolConfig;
  }
}

/** Lists that were not given are left out, not null. */
const domainsOf = ({ allowed_domains, blocked_domains }: DomainsParams) => ({
  ...(allowed_domains && { allowed_domains }),
  ...(blocked_domains && { blocked_domains }),
});

const objectForm = <Source extends { type: string }>(
  source: Source | "all" | "none" | null | undefined,
): Source | { type: "all" } | { type: "none" } | null => {
  if (source === "all") return { type: "all" };
  if (source === "none") return { type: "none" };
  return source ?? null;
};

const resolvedUrlSources = (sources: UrlSourcesParams): UrlSources => ({
  client_tool_results: objectForm(sources.client_tool_results),
  server_tool_results: objectForm(sources.server_tool_results),
  user_input: objectForm(sources.user_input),
});

function resolvedMcpToolset(toolset: McpToolsetParams): McpToolset {
  const defaults = settingsOver(
    { enabled: true, permission_policy: { type: "always_ask" } },
    toolset.default_config,
  );
  return {
    type: toolset.type,
    mcp_server_name: toolset.mcp_server_name,
    configs: (toolset.configs ?? []).map((config) => ({
      name: config.name,
      ...settingsOver(defaults, config),
    })),
    default_config: defaults,
  };
}

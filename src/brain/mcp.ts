import { limits } from "../limits.ts";
import type { AnyDraft, BodyOf } from "../log/entry.ts";
import type { ToolDefinition } from "../models/model.ts";
import type { SessionErrorObject } from "../protocol/events.ts";
import type { McpTool } from "../protocol/mcp-tools.ts";
import type { ServerFailure } from "../tools/mcp/failures.ts";
import { mcpToolName } from "../tools/mcp/names.ts";
import { type Drafts, none, type Pen, writer } from "./pen.ts";
import type { AgentFacts, McpServer, PolicyType } from "./session.ts";
import type { State, Thread } from "./state.ts";

/** An MCP server of the agent as the session's log has it. */
export interface McpServerState {
  name: string;
  /** Where it was asked. Of another one nothing is known. */
  url: string;
  /** What it offered when it was last asked with success. */
  tools: McpTool[];
  /** It is to be asked before the model is. */
  due: boolean;
  /** It is to be asked when the session begins to run again. */
  again: boolean;
  /** Of what clients were told in this run: one error says it for all calls that fail so. */
  failed: McpFailure | null;
}

export type McpFailure = ServerFailure["status"];

/** A tool of an MCP server, and how the agent may use it. */
export interface KnownMcpTool {
  server: McpServer;
  tool: McpTool;
  /** Towards the model. */
  name: string;
  enabled: boolean;
  policy: PolicyType;
}

/** How asking a server for its tools ended. */
export type McpListed =
  | { status: "listed"; tools: McpTool[]; left_out: { name: string; reason: string }[] }
  /** The message holds no secret. */
  | { status: McpFailure; message: string }
  | { status: "aborted" };

/**
 * Pure. In the order of the agent's toolsets, and of each server's list. Of two whose names towards the model are the same, as a
 * server can make them, the first is there alone: vendors refuse a request with both.
 */
export function mcpToolsOf(agent: AgentFacts, servers: readonly McpServerState[]): KnownMcpTool[] {
  const names = new Set<string>();
  const all = toolsetsOf(agent).flatMap(({ toolset, server }) => {
    const known = servers.find(({ name, url }) => name === server.name && url === server.url);
    const configs = new Map(toolset.configs.map((config) => [config.name, config]));
    return (known?.tools ?? []).map((tool) => {
      const { enabled, permission_policy } = configs.get(tool.name) ?? toolset.default_config;
      const name = mcpToolName(server.name, tool.name);
      return { server, tool, name, enabled, policy: permission_policy.type };
    });
  });
  return all.filter(({ name }) => !names.has(name) && names.add(name));
}

export const mcpToolNamed = (agent: AgentFacts, servers: readonly McpServerState[], name: string) =>
  name.startsWith("mcp__") ? mcpToolsOf(agent, servers).find((tool) => tool.name === name) : undefined;

/** As the model is told of them. */
export const mcpDefinitions = (agent: AgentFacts, servers: readonly McpServerState[]): ToolDefinition[] =>
  mcpToolsOf(agent, servers)
    .filter(({ enabled }) => enabled)
    .map(({ name, tool: { description, input_schema } }) => ({ name, description, input_schema }));

/** Those to be asked for their tools before the model is asked. */
export function dueMcpServers(agent: McpUse, servers: readonly McpServerState[]): McpServer[] {
  return toolsetsOf(agent).flatMap(({ server }) => {
    const known = servers.find(({ name }) => name === server.name);
    return known?.url === server.url && !known.due ? [] : [server];
  });
}

type McpUse = Pick<AgentFacts, "mcp_servers" | "tools">;

function toolsetsOf(agent: McpUse) {
  return agent.tools.flatMap((toolset) => {
    if (toolset.type !== "mcp_toolset") return [];
    const server = agent.mcp_servers.find(({ name }) => name === toolset.mcp_server_name);
    return server ? [{ toolset, server }] : [];
  });
}

/** The servers of a state, as one of the entries about them leaves them. */
export function withListed(
  servers: readonly McpServerState[],
  { server_name, url, tools }: BodyOf<"mcp_tools_listed">,
): McpServerState[] {
  return changed(servers, server_name, (known) => ({
    url,
    tools,
    due: false,
    again: false,
    failed: known?.url === url ? known.failed : null,
  }));
}

/** What it had offered still stands: the model's requests go on extending each other. */
export function withServerFailed(
  servers: readonly McpServerState[],
  { server_name, url, status }: BodyOf<"mcp_server_failed">,
): McpServerState[] {
  return changed(servers, server_name, (known) => ({
    url,
    tools: known?.url === url ? known.tools : [],
    due: false,
    again: true,
    failed: status,
  }));
}

export function withChanged(
  servers: readonly McpServerState[],
  { server_name, at_once }: BodyOf<"mcp_tools_changed">,
): McpServerState[] {
  return servers.map((server) =>
    server.name === server_name ? { ...server, due: server.due || at_once, again: true } : server,
  );
}

/** The session begins to run again. */
export const withAgainDue = (servers: McpServerState[]): McpServerState[] =>
  servers.some(({ again, failed }) => again || failed !== null)
    ? servers.map((server) => ({ ...server, due: server.due || server.again, failed: null }))
    : servers;

function changed(
  servers: readonly McpServerState[],
  name: string,
  change: (known: McpServerState | undefined) => Omit<McpServerState, "name">,
): McpServerState[] {
  const known = servers.find((server) => server.name === name);
  const server = { name, ...change(known) };
  return known ? servers.map((other) => (other === known ? server : other)) : [...servers, server];
}

/** What asking a server for its tools came to. */
export function listedDrafts(
  { name: server_name, url }: McpServer,
  result: McpListed,
  state: State,
  thread: Thread,
  pen: Pen,
): Drafts {
  const hidden = writer(thread, pen, "internal");
  const shown = writer(thread, pen, "session");
  switch (result.status) {
    case "listed": {
      const { tools, left_out } = result;
      const listed = hidden("mcp_tools_listed", { reader: 4, server_name, url, tools });
      if (left_out.length === 0) return { ...none(), entries: [listed] };
      const told = left_out.slice(0, limits.mcp_left_out_told_max);
      const reasons = told.map(({ name, reason }) => `"${name}" ${reason}`);
      if (left_out.length > told.length) reasons.push(`and ${left_out.length - told.length} more`);
      const message = `The MCP server "${server_name}" offers tools that cannot be used: ${reasons.join("; ")}.`;
      const error = { type: "unknown_error", message, retry_status: { type: "retrying" } } as const;
      return { ...none(), entries: [shown("session.error", { error }), listed] };
    }
    case "unreachable":
    case "unauthorized":
      return { ...none(), entries: serverFailed({ ...result, server_name, url }, state, thread, pen) };
    case "aborted":
      return none();
  }
}

/**
 * A server that could not be reached, or has refused who asked: by a call, or when it was asked for its tools. Nothing where
 * that has been told in this run.
 */
export function serverFailed(
  failure: { status: McpFailure; message: string; server_name: string; url: string },
  state: State,
  thread: Thread,
  pen: Pen,
): AnyDraft[] {
  const { status, message, server_name, url } = failure;
  if (
    state.mcp_servers.some(
      (known) => known.name === server_name && known.url === url && known.failed === status,
    )
  )
    return [];
  const error: SessionErrorObject = {
    type: status === "unreachable" ? "mcp_connection_failed_error" : "mcp_authentication_failed_error",
    message,
    mcp_server_name: server_name,
    retry_status: { type: "retrying" },
  };
  return [
    writer(thread, pen, "session")("session.error", { error }),
    writer(thread, pen, "internal")("mcp_server_failed", { reader: 4, server_name, url, status }),
  ];
}

/** A server has said, or was found, to offer other tools than it did. */
export function changedDrafts(
  { server_name, at_once }: { server_name: string; at_once: boolean },
  state: State,
  thread: Thread,
  pen: Pen,
): Drafts {
  const known = state.mcp_servers.find(({ name }) => name === server_name);
  if (!known || known.due || (known.again && !at_once)) return none();
  const body = { reader: 4, server_name, at_once } as const;
  return { ...none(), entries: [writer(thread, pen, "internal")("mcp_tools_changed", body)] };
}

import type Anthropic from "@anthropic-ai/sdk";
import type { McpBearer, McpBearers } from "../../src/vault/secrets.ts";
import type { FakeMcp } from "../fakes/mcp.ts";
import type { EventOf, ListedEvent, StreamEvent } from "./session.ts";

type Policy = "always_allow" | "always_ask" | "auto";

export interface Toolset {
  server: string;
  url: string;
  policy?: Policy;
  enabled?: boolean;
  configs?: { name: string; enabled?: boolean; permission_policy?: { type: Policy } }[];
}

/** An agent with these MCP servers, and the built-in tools where it says so. */
export const agentWith = (
  client: Anthropic,
  toolsets: Toolset[],
  { builtIn = false, model = "simulated" } = {},
) =>
  client.beta.agents.create({
    name: "with MCP servers",
    model,
    mcp_servers: toolsets.map(({ server, url }) => ({ type: "url", name: server, url })),
    tools: [
      ...(builtIn ? [{ type: "agent_toolset_20260401" } as const] : []),
      ...toolsets.map(({ server, policy = "always_allow", enabled = true, configs }) => ({
        type: "mcp_toolset" as const,
        mcp_server_name: server,
        default_config: { enabled, permission_policy: { type: policy } },
        ...(configs && { configs }),
      })),
    ],
  });

/** A session of one. */
export async function sessionWith(
  client: Anthropic,
  environment_id: string,
  toolsets: Toolset[],
  { vault_ids = [], ...more }: { builtIn?: boolean; model?: string; vault_ids?: string[] } = {},
) {
  const { id: agent } = await agentWith(client, toolsets, more);
  return client.beta.sessions.create({ agent, environment_id, vault_ids });
}

export const calling = (server: string, tool: string, input: object = {}) =>
  `call mcp__${server}__${tool} ${JSON.stringify(input)}`;

export const mcpUses = (events: readonly (StreamEvent | ListedEvent)[]): EventOf<"agent.mcp_tool_use">[] =>
  events.flatMap((event) => (event.type === "agent.mcp_tool_use" ? [event] : []));

export const mcpResults = (
  events: readonly (StreamEvent | ListedEvent)[],
): EventOf<"agent.mcp_tool_result">[] =>
  events.flatMap((event) => (event.type === "agent.mcp_tool_result" ? [event] : []));

/** The text of each result of an MCP tool, in order. */
export const mcpTexts = (events: readonly (StreamEvent | ListedEvent)[]): string[] =>
  mcpResults(events).map(({ content = [] }) =>
    content.map((block) => (block.type === "text" ? block.text : `<${block.type}>`)).join("\n"),
  );

export const errorsIn = (events: readonly (StreamEvent | ListedEvent)[]) =>
  events.flatMap((event) => (event.type === "session.error" ? [event.error] : []));

/** Bearers as a test has them, and what was done with them. */
export interface TestBearers extends McpBearers {
  /** By the URLs of servers. */
  tokens: Map<string, string>;
  /** What a refused one becomes. */
  renewals: Map<string, string>;
  noted: string[];
  renewed: number;
}

export function testBearers(): TestBearers {
  const bearer = (token: string, secret_version: number): McpBearer => ({
    credential_id: "vcrd_1",
    vault_id: "vlt_1",
    token,
    secret_version,
  });
  const bearers: TestBearers = {
    tokens: new Map(),
    renewals: new Map(),
    noted: [],
    renewed: 0,
    async find(_, __, url) {
      const token = bearers.tokens.get(url);
      return token === undefined ? null : bearer(token, 1);
    },
    async renew(_, __, refused) {
      bearers.renewed += 1;
      const token = bearers.renewals.get(refused.token);
      return token === undefined ? null : bearer(token, refused.secret_version + 1);
    },
    note(_, __, ___, host, outcome) {
      bearers.noted.push(`${host} ${outcome}`);
    },
  };
  return bearers;
}

/** What a server was asked, by the names of the methods. */
export const methodsAt = ({ reached }: FakeMcp): string[] =>
  reached.flatMap(({ method }) => (method === null ? [] : [method]));

import type { ModelRequest, ToolDefinition } from "../models/model.ts";
import { toolset } from "../tools/toolset.ts";
import { type McpServerState, mcpDefinitions } from "./mcp.ts";
import { preamble } from "./preamble.ts";
import { repositoriesNotice } from "./repositories.ts";
import { type AgentFacts, type SessionFacts, toolUseOf } from "./session.ts";
import { skillsNotice } from "./skills.ts";
import type { Thread } from "./state.ts";

/** What of a session the model is told from the beginning. */
type Told = Pick<SessionFacts, "self_hosted" | "skills" | "repositories">;

/**
 * What the model sees: a pure function of the session's agent, its log (what its MCP servers offer is there too) and the web
 * tools that are configured, so that each request extends the one before it byte for byte, on whatever server it is made.
 */
export function modelRequest(
  agent: AgentFacts,
  thread: Thread,
  webTools: readonly ToolDefinition[],
  { self_hosted, skills, repositories }: Told = { self_hosted: false, skills: [], repositories: [] },
  mcpServers: readonly McpServerState[] = [],
): ModelRequest {
  const runner = self_hosted ? "worker" : "sandbox";
  const enabled = ({ name }: ToolDefinition) => toolUseOf(agent, name).kind === "built_in";
  const builtIn = [...toolset.map((tool) => tool.definition), ...webTools].filter(enabled);
  return {
    model: agent.model.id,
    effort: agent.model.effort?.type ?? null,
    speed: agent.model.speed ?? "standard",
    system: [
      agent.system,
      preamble(
        builtIn.map(({ name }) => name),
        runner,
      ),
      repositoriesNotice(repositories),
      skillsNotice(agent, skills, runner),
    ]
      .filter((part) => part)
      .join("\n\n"),
    tools: [...builtIn, ...customTools(agent), ...mcpDefinitions(agent, mcpServers)],
    messages: thread.messages,
    cache_key: thread.id,
    attempt: thread.failures,
  };
}

function customTools(agent: AgentFacts): ToolDefinition[] {
  return agent.tools.flatMap((tool) =>
    tool.type === "custom"
      ? [{ name: tool.name, description: tool.description, input_schema: tool.input_schema }]
      : [],
  );
}

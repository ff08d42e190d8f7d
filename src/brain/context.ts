import type { ModelRequest, ToolDefinition } from "../models/model.ts";
import { toolset } from "../tools/toolset.ts";
import { preamble } from "./preamble.ts";
import { type AgentFacts, toolUseOf } from "./session.ts";
import type { Thread } from "./state.ts";

/**
 * What the model sees: a pure function of the session's agent and its log, so that each request extends the one
 * before it byte for byte, on whatever server it is made.
 */
export function modelRequest(agent: AgentFacts, thread: Thread): ModelRequest {
  const builtIn = toolset
    .map((tool) => tool.definition)
    .filter((definition) => toolUseOf(agent, definition.name).kind === "built_in");
  return {
    model: agent.model.id,
    effort: agent.model.effort?.type ?? null,
    speed: agent.model.speed ?? "standard",
    system: [agent.system, preamble(builtIn.map(({ name }) => name))].filter((part) => part).join("\n\n"),
    tools: [...builtIn, ...customTools(agent)],
    messages: thread.messages,
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

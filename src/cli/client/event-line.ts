import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { inputText, reasonText, textOf } from "./tree.ts";

/** What an event says, in a few words; its type is told beside it. Not yet safe for a terminal. */
export function eventText(event: StreamEvent): string {
  switch (event.type) {
    case "user.message":
    case "agent.message":
      return textOf(event.content);
    case "agent.tool_use":
    case "agent.custom_tool_use":
      return `${event.name} ${inputText(event.input)}`;
    case "agent.mcp_tool_use":
      return `${event.mcp_server_name} ${event.name} ${inputText(event.input)}`;
    case "user.tool_result":
    case "user.custom_tool_result":
    case "agent.tool_result":
    case "agent.mcp_tool_result":
      return `${event.is_error ? "failed " : ""}${textOf(event.content ?? [])}`;
    case "user.tool_confirmation":
      return [event.result, event.deny_message ?? ""].join(" ").trim();
    case "session.error":
      return `${event.error.type} ${event.error.message}`;
    case "session.status_idle":
      return reasonText(event);
    default:
      return "";
  }
}

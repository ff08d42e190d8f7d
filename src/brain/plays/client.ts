import assert from "node:assert/strict";
import type { Entry } from "../../log/entry.ts";
import type { EventParams } from "../../protocol/events.ts";
import type { ClientEvent } from "./plan.ts";
import type { Snapshot } from "./rows.ts";

const picture = {
  type: "image",
  source: { type: "base64", media_type: "image/png", data: "AAAA" },
} as const;

/** What a client sends in one request that has seen so much of a session. Each message has a text of its own. */
export function requestOf(
  { events, system }: { events: ClientEvent[]; system: boolean },
  seen: Snapshot,
  name: () => string,
): EventParams[] {
  const params = events.flatMap((event) => paramsOf(event, seen, name));
  const last = params.at(-1)?.type;
  if (!system || (last !== "user.message" && last !== "user.custom_tool_result")) return params;
  return [...params, { type: "system.message", content: [{ type: "text", text: name() }] }];
}

export const isFromClient = ({ type }: { type: string }) =>
  type.startsWith("user.") || type === "system.message";

function paramsOf(event: ClientEvent, { entries, asks }: Snapshot, name: () => string): EventParams[] {
  switch (event.type) {
    case "message": {
      const text = { type: "text", text: name() } as const;
      return [{ type: "user.message", content: event.image ? [text, picture] : [text] }];
    }
    case "interrupt":
      return [{ type: "user.interrupt" }];
    case "answer": {
      const open = entries.filter(
        ({ type, id }) => isCall(type) && asks.some((ask) => ask.endsWith(` ${id}`)),
      );
      const calls = event.late ? entries.filter(({ type }) => isCall(type)) : open;
      return calls.slice(0, event.most).map((call) => answerTo(call, event));
    }
  }
}

const isRun = (type: string) => type === "agent.tool_use" || type === "agent.mcp_tool_use";
const isCall = (type: string) => isRun(type) || type === "agent.custom_tool_use";

function answerTo({ type, id }: Entry, event: Extract<ClientEvent, { type: "answer" }>): EventParams {
  if (isRun(type)) {
    if (event.allow) return { type: "user.tool_confirmation", tool_use_id: id, result: "allow" };
    const deny_message = event.empty ? undefined : "rather not";
    return { type: "user.tool_confirmation", tool_use_id: id, result: "deny", deny_message };
  }
  const content = event.empty ? undefined : [{ type: "text" as const, text: `answer to ${id}` }];
  return { type: "user.custom_tool_result", custom_tool_use_id: id, content, is_error: !event.allow };
}

/** The asks that the events answer. */
export const asksIn = (events: EventParams[]): string[] =>
  events.flatMap((event) => {
    if (event.type === "user.tool_confirmation") return [`confirmation ${event.tool_use_id}`];
    return event.type === "user.custom_tool_result" ? [`result ${event.custom_tool_use_id}`] : [];
  });

export function nameOf(event: EventParams): string {
  switch (event.type) {
    case "user.message": {
      const [text] = event.content;
      return text?.type === "text" ? text.text : assert.fail("a message begins with its text");
    }
    case "user.interrupt":
      return "interrupt";
    case "system.message":
      return `system ${event.content[0]?.text}`;
    case "user.tool_confirmation":
      return `${event.result} ${event.tool_use_id}`;
    case "user.custom_tool_result":
      return `result of ${event.custom_tool_use_id}`;
    default:
      return event.type;
  }
}

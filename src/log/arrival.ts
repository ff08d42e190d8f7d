import type { DoneBy, EventParams } from "../protocol/events.ts";
import { newId } from "../protocol/ids.ts";
import type { AppendEntry } from "./append.ts";
import { draft } from "./entry.ts";
import { primaryThreadOf } from "./thread-id.ts";

/**
 * The entries that record a client's events, followed by those that set an idle session running when one of them can
 * start or resume a turn. An interrupt starts none. Results are taken up as they arrive; all else waits its turn. `worker`:
 * the one that has sent them, if it was one.
 */
export function arrivalEntries(
  sessionId: string,
  agentName: string,
  events: EventParams[],
  worker?: DoneBy,
): AppendEntry[] {
  const thread_id = primaryThreadOf(sessionId);
  const entries = events.flatMap((event) => arrivalEntry(event, { id: newId("event"), thread_id }, worker));
  if (!events.some(startsTurn)) return entries;
  const shown = () => ({ id: newId("event"), thread_id, audience: "session" }) as const;
  const running = { session_thread_id: thread_id, agent_name: agentName };
  return [
    ...entries,
    { ...draft("session.status_running", shown(), {}), only_if: "starts" },
    { ...draft("session.thread_status_running", shown(), running), only_if: "starts" },
  ];
}

export const startsTurn = ({ type }: EventParams) =>
  type === "user.message" ||
  type === "user.tool_confirmation" ||
  type === "user.tool_result" ||
  type === "user.custom_tool_result";

function arrivalEntry(
  event: EventParams,
  fields: { id: string; thread_id: string },
  worker: DoneBy | undefined,
): AppendEntry[] {
  const queued = { ...fields, audience: "queued" } as const;
  switch (event.type) {
    case "user.message":
      return [draft("user.message", queued, { content: event.content })];
    case "user.interrupt":
      return [{ ...draft("user.interrupt", queued, {}), only_if: "acts" }];
    case "system.message":
      return [draft("system.message", queued, { content: event.content })];
    case "user.tool_confirmation": {
      const { tool_use_id, result, deny_message } = event;
      return [
        draft("user.tool_confirmation", queued, { tool_use_id, result, deny_message: deny_message ?? null }),
      ];
    }
    case "user.custom_tool_result": {
      const { custom_tool_use_id, content, is_error } = event;
      const result = { content: content ?? [], is_error: is_error ?? false, ...(worker && { worker }) };
      const body = { custom_tool_use_id, ...result };
      return [draft("user.custom_tool_result", { ...fields, audience: "session" }, body)];
    }
    case "user.tool_result": {
      const { tool_use_id, content, is_error } = event;
      const result = { content: content ?? [], is_error: is_error ?? false, ...(worker && { worker }) };
      return [draft("user.tool_result", { ...fields, audience: "session" }, { tool_use_id, ...result })];
    }
    default:
      return [];
  }
}

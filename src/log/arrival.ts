import type { EventParams } from "../protocol/events.ts";
import { newId } from "../protocol/ids.ts";
import type { AppendEntry } from "./append.ts";
import { draft } from "./entry.ts";
import { primaryThreadOf } from "./thread-id.ts";

/**
 * The entries that record a client's events, followed by those that set an idle session running when one of them
 * starts a turn. An interrupt starts none.
 */
export function arrivalEntries(sessionId: string, agentName: string, events: EventParams[]): AppendEntry[] {
  const thread_id = primaryThreadOf(sessionId);
  const entries: AppendEntry[] = [];
  for (const event of events) {
    const fields = { id: newId("event"), thread_id, audience: "queued" } as const;
    if (event.type === "user.message")
      entries.push(draft("user.message", fields, { content: event.content }));
    else if (event.type === "user.interrupt") entries.push(draft("user.interrupt", fields, {}));
  }
  if (!events.some((event) => event.type === "user.message")) return entries;
  const shown = () => ({ id: newId("event"), thread_id, audience: "session" }) as const;
  const running = { session_thread_id: thread_id, agent_name: agentName };
  return [
    ...entries,
    { ...draft("session.status_running", shown(), {}), only_if_idle: true },
    { ...draft("session.thread_status_running", shown(), running), only_if_idle: true },
  ];
}

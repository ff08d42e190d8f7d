import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";

/**
 * Tells a session that waits for its environment's workers from one that waits for the user: what is allowed and waits all the
 * same is a worker's. Hears every event of a session.
 */
export function workerCalls(): {
  hear(event: StreamEvent): void;
  /** Of the calls that this event says the session waits for, those that are the user's to answer. */
  others(event: StreamEvent): string[];
  areAwaitedBy(event: StreamEvent): boolean;
} {
  const allowed = new Set<string>();
  const awaited = (event: StreamEvent) =>
    event.type === "session.status_idle" && event.stop_reason.type === "requires_action"
      ? event.stop_reason.event_ids
      : [];
  return {
    hear(event) {
      if (event.type === "agent.tool_use" && event.evaluated_permission === "allow") allowed.add(event.id);
      if (event.type === "user.tool_confirmation" && event.result === "allow") allowed.add(event.tool_use_id);
    },
    others: (event) => awaited(event).filter((id) => !allowed.has(id)),
    areAwaitedBy: (event) => awaited(event).length > 0 && awaited(event).every((id) => allowed.has(id)),
  };
}

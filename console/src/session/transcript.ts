import type {
  SessionErrorObject,
  SessionEvent,
  StopDetails,
  StopReason,
  UsageSnapshot,
} from "../../../src/protocol/events.ts";
import type { Budget } from "../../../src/protocol/money.ts";

/**
 * A session as a person reads it, made of its events one by one. An item is replaced, never changed: what shows it
 * compares by identity.
 */

type Of<Type extends SessionEvent["type"]> = Extract<SessionEvent, { type: Type }>;
export type ToolUse = Of<"agent.tool_use"> | Of<"agent.mcp_tool_use"> | Of<"agent.custom_tool_use">;
export type ToolResult =
  | Of<"agent.tool_result">
  | Of<"agent.mcp_tool_result">
  | Of<"user.tool_result">
  | Of<"user.custom_tool_result">;
type MessageEvent = Of<"user.message"> | Of<"agent.message"> | Of<"system.message">;

export type Item =
  | { kind: "message"; id: string; event: MessageEvent }
  /** Text of the agent that is still being written. */
  | { kind: "writing"; id: string; text: string }
  | { kind: "thinking"; id: string; at: string | null }
  | {
      kind: "tool";
      id: string;
      use: ToolUse;
      result: ToolResult | null;
      answer: Of<"user.tool_confirmation"> | null;
    }
  | { kind: "setup"; id: string; at: string; lines: string[]; end: Of<"span.environment_setup_end"> | null }
  | { kind: "error"; id: string; at: string; error: SessionErrorObject }
  | {
      kind: "note";
      id: string;
      at: string;
      note: "interrupt" | "compacted" | "retry" | "terminated" | "deleted" | "updated";
    }
  | {
      kind: "turn_end";
      id: string;
      at: string;
      began: string | null;
      reason: StopReason;
      details: StopDetails;
      used: Used | null;
    };

/** What one turn has used: the difference of two snapshots. */
export interface Used {
  tokens_in: number;
  output_tokens: number;
  /** At list prices, in cents; null when the model has none. */
  cost: number | null;
}

export class Transcript {
  /** In the order in which they are read; messages that wait to be taken up are not among them. */
  readonly items: Item[] = [];
  /** Sent, and not taken up by the agent yet. */
  readonly queued = new Map<string, MessageEvent>();
  /** Of the tool uses that wait for a person: set by the last idle event. */
  waiting: readonly string[] = [];
  usage: UsageSnapshot | null = null;
  /** What it may cost, where it has stopped because it has cost that much, and nobody has changed it since. */
  spent: Budget | null = null;
  /** The newest event that has changed what the session is. */
  changed_by: string | null = null;
  /** It takes no more events. */
  ended = false;
  readonly #places = new Map<string, number>();
  /** Of items that are there only as they were previewed. */
  readonly #previews = new Set<string>();
  #turnBegan: string | null = null;
  #usageBefore: UsageSnapshot | null = null;
  #budget: Budget | null = null;

  add(event: SessionEvent): void {
    if (event.type.startsWith("session.status_") || event.type === "session.updated")
      this.changed_by = event.id;
    switch (event.type) {
      case "user.message":
      case "system.message":
        if (event.processed_at) {
          this.queued.delete(event.id);
          this.#put({ kind: "message", id: event.id, event });
        } else this.queued.set(event.id, event);
        return;
      case "agent.message":
        this.#put({ kind: "message", id: event.id, event });
        return;
      case "agent.thinking":
        this.#put({ kind: "thinking", id: event.id, at: event.processed_at });
        return;
      case "agent.tool_use":
      case "agent.mcp_tool_use":
      case "agent.custom_tool_use":
        this.#put({ kind: "tool", id: event.id, use: event, result: null, answer: null });
        return;
      case "agent.tool_result":
      case "user.tool_result":
        this.#result(event.tool_use_id, event);
        return;
      case "agent.mcp_tool_result":
        this.#result(event.mcp_tool_use_id, event);
        return;
      case "user.custom_tool_result":
        this.#result(event.custom_tool_use_id, event);
        return;
      case "user.tool_confirmation": {
        this.waiting = this.waiting.filter((id) => id !== event.tool_use_id);
        this.#replace(event.tool_use_id, (item) =>
          item.kind === "tool" ? { ...item, answer: event } : item,
        );
        return;
      }
      case "user.interrupt":
        if (event.processed_at) this.#note(event.id, event.processed_at, "interrupt");
        return;
      case "agent.thread_context_compacted":
        this.#note(event.id, event.processed_at, "compacted");
        return;
      case "session.updated":
        if (event.budget !== undefined) this.spent = null;
        this.#note(event.id, event.processed_at, "updated");
        return;
      case "session.error":
        this.#put({ kind: "error", id: event.id, at: event.processed_at, error: event.error });
        return;
      case "span.environment_setup_start":
        this.#put({ kind: "setup", id: event.id, at: event.processed_at, lines: [], end: null });
        return;
      case "span.environment_setup_ongoing":
        this.#replace(event.environment_setup_start_id, (item) =>
          item.kind === "setup" ? { ...item, lines: [...item.lines, event.message] } : item,
        );
        return;
      case "span.environment_setup_end":
        this.#replace(event.environment_setup_start_id, (item) =>
          item.kind === "setup" ? { ...item, end: event } : item,
        );
        return;
      case "session.usage":
        this.usage = event.usage;
        this.#budget = event.budget;
        return;
      // What has become of an answer is told before its request ends: one that was broken off never comes.
      case "span.model_request_start":
      case "span.model_request_end":
        this.forgetPreviews();
        return;
      case "session.status_running":
        this.waiting = [];
        this.spent = null;
        this.#turnBegan ??= event.processed_at;
        this.#usageBefore ??= this.usage;
        return;
      case "session.status_rescheduled":
        this.#note(event.id, event.processed_at, "retry");
        return;
      case "session.status_idle":
        this.#idle(event);
        return;
      case "session.status_terminated":
        this.#end(event.id, event.processed_at, "terminated");
        return;
      case "session.deleted":
        this.#end(event.id, event.processed_at, "deleted");
        return;
      default:
        return;
    }
  }

  /** The beginning of an event; the event itself takes its place. */
  begin(id: string, type: "agent.message" | "agent.thinking"): void {
    if (this.#places.has(id)) return;
    this.#previews.add(id);
    this.#put(
      type === "agent.message" ? { kind: "writing", id, text: "" } : { kind: "thinking", id, at: null },
    );
  }

  write(id: string, text: string): void {
    this.#replace(id, (item) => (item.kind === "writing" ? { ...item, text: item.text + text } : item));
  }

  /** Previews that no event has followed: after a break they come anew, or never. */
  forgetPreviews(): void {
    if (this.#previews.size === 0) return;
    const kept = this.items.filter(({ id }) => !this.#previews.has(id));
    this.#previews.clear();
    this.items.splice(0, this.items.length, ...kept);
    this.#places.clear();
    for (const [n, { id }] of kept.entries()) this.#places.set(id, n);
  }

  #idle(event: Of<"session.status_idle">): void {
    const { stop_reason: reason, stop_details: details, processed_at: at, id } = event;
    this.forgetPreviews();
    this.waiting = reason.type === "requires_action" ? reason.event_ids : [];
    this.spent = reason.type === "budget_reached" ? this.#budget : null;
    if (reason.type === "requires_action") return;
    const used = this.usage ? difference(this.usage, this.#usageBefore) : null;
    this.#put({ kind: "turn_end", id, at, began: this.#turnBegan, reason, details, used });
    this.#turnBegan = null;
    this.#usageBefore = null;
  }

  #end(id: string, at: string, note: "terminated" | "deleted"): void {
    this.forgetPreviews();
    this.waiting = [];
    this.spent = null;
    this.ended = true;
    this.#note(id, at, note);
  }

  #result(useId: string, result: ToolResult): void {
    this.waiting = this.waiting.filter((id) => id !== useId);
    this.#replace(useId, (item) => (item.kind === "tool" ? { ...item, result } : item));
  }

  #note(id: string, at: string, note: Extract<Item, { kind: "note" }>["note"]): void {
    this.#put({ kind: "note", id, at, note });
  }

  /** An item that is there under its id already, as a preview, keeps its place. */
  #put(item: Item): void {
    if (item.kind !== "writing" && !(item.kind === "thinking" && !item.at)) this.#previews.delete(item.id);
    const place = this.#places.get(item.id);
    if (place === undefined) {
      this.#places.set(item.id, this.items.length);
      this.items.push(item);
    } else this.items[place] = item;
  }

  #replace(id: string, change: (item: Item) => Item): void {
    const place = this.#places.get(id);
    const item = place === undefined ? undefined : this.items[place];
    if (place !== undefined && item) this.items[place] = change(item);
  }
}

/** New ones, and those that the cache has given or kept: all that the model was shown. */
export const tokensIn = ({
  input_tokens,
  cache_read_input_tokens,
  cache_creation: { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens },
}: UsageSnapshot): number =>
  input_tokens + cache_read_input_tokens + ephemeral_5m_input_tokens + ephemeral_1h_input_tokens;

function difference(after: UsageSnapshot, before: UsageSnapshot | null): Used {
  const amount = (usage: UsageSnapshot | null) => (usage?.list_cost ? Number(usage.list_cost.amount) : null);
  const cost = amount(after);
  return {
    tokens_in: tokensIn(after) - (before ? tokensIn(before) : 0),
    output_tokens: after.output_tokens - (before?.output_tokens ?? 0),
    cost: cost === null ? null : cost - (amount(before) ?? 0),
  };
}

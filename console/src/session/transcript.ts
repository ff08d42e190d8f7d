import type {
  SessionErrorObject,
  SessionEvent,
  StopReason,
  UsageSnapshot,
} from "../../../src/protocol/events.ts";

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
      note: "interrupt" | "compacted" | "retry" | "terminated" | "updated";
    }
  | { kind: "turn_end"; id: string; at: string; began: string | null; reason: StopReason; used: Used | null };

/** What one turn has used: the difference of two snapshots. */
export interface Used {
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  active_seconds: number;
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
  readonly #places = new Map<string, number>();
  #turnBegan: string | null = null;
  #usageBefore: UsageSnapshot | null = null;

  add(event: SessionEvent): void {
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
        return;
      case "session.status_running":
        this.waiting = [];
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
        this.waiting = [];
        this.#note(event.id, event.processed_at, "terminated");
        return;
      default:
        return;
    }
  }

  /** The beginning of an event; the event itself takes its place. */
  begin(id: string, type: "agent.message" | "agent.thinking"): void {
    if (this.#places.has(id)) return;
    this.#put(
      type === "agent.message" ? { kind: "writing", id, text: "" } : { kind: "thinking", id, at: null },
    );
  }

  write(id: string, text: string): void {
    this.#replace(id, (item) => (item.kind === "writing" ? { ...item, text: item.text + text } : item));
  }

  /** Previews that no event has followed: after a break they come anew, or never. */
  forgetPreviews(): void {
    const kept = this.items.filter(
      (item) => item.kind !== "writing" && !(item.kind === "thinking" && !item.at),
    );
    if (kept.length === this.items.length) return;
    this.items.splice(0, this.items.length, ...kept);
    this.#places.clear();
    for (const [n, { id }] of kept.entries()) this.#places.set(id, n);
  }

  #idle(event: Of<"session.status_idle">): void {
    const { stop_reason: reason, processed_at: at, id } = event;
    this.waiting = reason.type === "requires_action" ? reason.event_ids : [];
    if (reason.type === "requires_action") return;
    const used = this.usage ? difference(this.usage, this.#usageBefore) : null;
    this.#put({ kind: "turn_end", id, at, began: this.#turnBegan, reason, used });
    this.#turnBegan = null;
    this.#usageBefore = null;
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

function difference(after: UsageSnapshot, before: UsageSnapshot | null): Used {
  const amount = (usage: UsageSnapshot | null) => (usage?.list_cost ? Number(usage.list_cost.amount) : null);
  const cost = amount(after);
  return {
    input_tokens: after.input_tokens - (before?.input_tokens ?? 0),
    output_tokens: after.output_tokens - (before?.output_tokens ?? 0),
    cache_read_tokens: after.cache_read_input_tokens - (before?.cache_read_input_tokens ?? 0),
    active_seconds: after.active_seconds - (before?.active_seconds ?? 0),
    cost: cost === null ? null : cost - (amount(before) ?? 0),
  };
}

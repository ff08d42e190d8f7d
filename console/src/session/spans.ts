import type { Recovery, SessionEvent } from "../../../src/protocol/events.ts";
import { gist } from "./gist.ts";

/** What took time in a session: a row of the waterfall. */
export interface Span {
  id: string;
  kind: "model" | "tool" | "wait" | "retry" | "setup" | "turn";
  label: string;
  /** Of a call: what says most of its input. */
  gist?: string;
  /** In `ms` since 1970. */
  start: number;
  /** Null while it goes on. */
  end: number | null;
  failed: boolean;
  /** What else is to be said of it. */
  note?: string;
  /** Of a model request: its tokens, with those that a cache had. */
  tokens?: { input: number; output: number };
}

/** Made of the events one by one, in the order of their starts. */
export class Spans {
  readonly spans: Span[] = [];
  readonly #open = new Map<string, number>();

  add(event: SessionEvent): void {
    if (!("processed_at" in event) || !event.processed_at) return;
    const at = Date.parse(event.processed_at);
    switch (event.type) {
      case "session.status_running":
        this.#close("wait", at);
        this.#close("retry", at);
        if (!this.#open.has("turn"))
          this.#begin("turn", { id: event.id, kind: "turn", label: "turn", start: at });
        return;
      case "session.status_rescheduled":
        this.#begin("retry", { id: event.id, kind: "retry", label: "pause before a retry", start: at });
        return;
      case "session.status_idle":
        if (event.stop_reason.type === "requires_action") {
          this.#begin("wait", { id: event.id, kind: "wait", label: "waits for an answer", start: at });
          return;
        }
        this.#closeAll(at);
        return;
      case "session.status_terminated":
        this.#closeAll(at);
        return;
      case "span.model_request_start":
        this.#begin(event.id, { id: event.id, kind: "model", label: "model request", start: at });
        return;
      case "span.model_request_end":
        this.#change(event.model_request_start_id, { tokens: tokensOf(event.model_usage) });
        this.#close(event.model_request_start_id, at, event.is_error);
        return;
      case "span.environment_setup_start":
        this.#begin(event.id, { id: event.id, kind: "setup", label: "set-up of the environment", start: at });
        return;
      case "span.environment_setup_end":
        this.#close(event.environment_setup_start_id, at, event.is_error);
        return;
      case "agent.tool_use":
      case "agent.custom_tool_use":
        this.#begin(event.id, {
          id: event.id,
          kind: "tool",
          label: event.name,
          gist: gist(event.input),
          start: at,
        });
        return;
      case "agent.mcp_tool_use":
        this.#begin(event.id, {
          id: event.id,
          kind: "tool",
          label: `${event.mcp_server_name}: ${event.name}`,
          gist: gist(event.input),
          start: at,
        });
        return;
      case "agent.tool_result":
      case "user.tool_result":
        if (event.recovery) this.#lost(event.tool_use_id, event.recovery);
        this.#close(event.tool_use_id, at, event.is_error === true);
        return;
      case "agent.mcp_tool_result":
        if (event.recovery) this.#lost(event.mcp_tool_use_id, event.recovery);
        this.#close(event.mcp_tool_use_id, at, event.is_error);
        return;
      case "user.custom_tool_result":
        this.#close(event.custom_tool_use_id, at, event.is_error === true);
        return;
      default:
        return;
    }
  }

  /** The server, or what ran it, was restarted meanwhile. */
  #lost(key: string, { type, replays }: Recovery): void {
    this.#change(key, { note: type === "run_again" ? `lost, run again ${replays}×` : "lost in a restart" });
  }

  #begin(key: string, span: Omit<Span, "end" | "failed">): void {
    this.#close(key, span.start);
    this.#open.set(key, this.spans.length);
    this.spans.push({ ...span, end: null, failed: false });
  }

  #change(key: string, change: Partial<Span>): void {
    const place = this.#open.get(key);
    const span = place === undefined ? undefined : this.spans[place];
    if (place !== undefined && span) this.spans[place] = { ...span, ...change };
  }

  /** Clocks are set back at times: nothing ends before it began. */
  #close(key: string, at: number, failed = false): void {
    const place = this.#open.get(key);
    if (place !== undefined) this.#change(key, { end: Math.max(at, this.spans[place]?.start ?? at), failed });
    this.#open.delete(key);
  }

  #closeAll(at: number): void {
    for (const key of [...this.#open.keys()]) this.#close(key, at);
  }
}

const tokensOf = (
  usage: Extract<SessionEvent, { type: "span.model_request_end" }>["model_usage"],
): NonNullable<Span["tokens"]> => ({
  input: usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
  output: usage.output_tokens,
});

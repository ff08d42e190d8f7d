import type { ModelMessage } from "../models/model.ts";
import type { McpServerState } from "./mcp.ts";
import { emptyState, type State } from "./state.ts";

/**
 * Folded states of sessions that this process has driven and parked, the longest unused forgotten first. A log only
 * grows, so what was folded stays true: the next drive reads on from there.
 */
export interface Memory {
  /** Takes the state out; an empty one when there is none. */
  recall(sessionId: string): State;
  keep(sessionId: string, state: State): void;
}

export function createMemory(charsMax: number): Memory {
  const kept = new Map<string, { state: State; chars: number }>();
  // Messages, and what MCP servers have listed, are never changed, so each is measured once.
  const measured = new WeakMap<ModelMessage | McpServerState, number>();
  let chars = 0;

  function charsOf(message: ModelMessage | McpServerState): number {
    const known = measured.get(message) ?? charsIn(message);
    measured.set(message, known);
    return known;
  }

  function measure(state: State): number {
    let sum = state_chars;
    for (const server of state.mcp_servers) sum += charsOf(server);
    for (const thread of state.threads.values()) {
      sum += charsIn([thread.queued, thread.calls, thread.user_texts, thread.shown_urls]);
      for (const message of thread.messages) sum += charsOf(message);
    }
    return sum;
  }

  function forget(sessionId: string): void {
    chars -= kept.get(sessionId)?.chars ?? 0;
    kept.delete(sessionId);
  }

  return {
    recall(sessionId) {
      const state = kept.get(sessionId)?.state ?? emptyState();
      forget(sessionId);
      return state;
    },
    keep(sessionId, state) {
      forget(sessionId);
      const item = { state, chars: measure(state) };
      kept.set(sessionId, item);
      chars += item.chars;
      for (const oldest of kept.keys()) {
        if (chars <= charsMax) break;
        forget(oldest);
      }
    },
  };
}

/** What a state, a message or a value in it takes beside its text: a guess on the high side. */
const state_chars = 2_000;
const value_chars = 32;

function charsIn(value: unknown): number {
  if (typeof value === "string") return value_chars + value.length;
  if (typeof value !== "object" || value === null) return value_chars;
  return Object.values(value).reduce<number>((sum, part) => sum + charsIn(part), value_chars);
}

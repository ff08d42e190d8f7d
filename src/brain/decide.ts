import { limits } from "../limits.ts";
import type { Call, Queued, State, Thread } from "./state.ts";

/** Something to write down, and for two of them an effect to start once it is written. */
export type Action =
  | { do: "promote"; thread: Thread; event: Queued }
  /** The thread and its session begin to run again. */
  | { do: "run"; thread: Thread }
  /** Effect: ask the model. */
  | { do: "call_model"; thread: Thread }
  /** The brain that began this request is gone. */
  | { do: "abandon_request"; thread: Thread; request_id: string }
  /** Effect: run the call. */
  | { do: "start_tool"; thread: Thread; call: Call }
  /** Effect only: an earlier brain has started the call; `hands` knows how far it came. */
  | { do: "resume_tool"; thread: Thread; call: Call }
  | { do: "interrupt_call"; thread: Thread; call: Call }
  | { do: "fail_turn"; thread: Thread; failure: "tool_rounds" | "orphans" }
  | { do: "idle"; thread: Thread };

export interface Plan {
  actions: Action[];
  /** Effects of ours to stop: an interrupt waits for them to end. */
  cancel: string[];
  /** Nothing to do until woken, or for so long. Only when no effect is in flight. */
  park: { after_ms: number | null } | null;
}

/** Names an effect. At most one of a name is in flight. */
export const modelEffect = (thread: { id: string }) => `model ${thread.id}`;
export const toolEffect = (call: { id: string }) => `tool ${call.id}`;

/**
 * Pure: what the log calls for now, given the effects in flight. The shell writes the actions down, starts their
 * effects and asks again; each answer is one step, so that every step sees what was written before it.
 */
export function decide(state: State, inFlight: ReadonlySet<string>, now: number): Plan {
  const plan: Plan = { actions: [], cancel: [], park: null };
  let next: number | null = null;
  for (const thread of state.threads.values()) {
    const due = decideThread(thread, inFlight, now, plan);
    if (due !== null) next = Math.min(next ?? due, due);
  }
  if (plan.actions.length === 0 && inFlight.size === 0) {
    plan.park = { after_ms: next === null ? null : Math.max(0, next - now) };
  }
  return plan;
}

/** Adds to the plan. Returns when the thread is due again, if it only waits for a time. */
function decideThread(thread: Thread, inFlight: ReadonlySet<string>, now: number, plan: Plan): number | null {
  const { actions, cancel } = plan;
  if (thread.status === "terminated") return null;

  const isInterrupt = (event: Queued) => event.type === "user.interrupt";
  const late = thread.queued.filter((event) => isInterrupt(event) && event.seq < thread.began_seq);
  for (const event of late) actions.push({ do: "promote", thread, event });
  if (late.length > 0) return null;
  const interrupts = thread.queued.filter(isInterrupt);
  if (thread.status === "idle") {
    for (const event of interrupts) actions.push({ do: "promote", thread, event });
    if (interrupts.length === 0 && thread.queued.length > 0) actions.push({ do: "run", thread });
    return null;
  }

  const ours = [modelEffect(thread), ...thread.calls.map(toolEffect)].filter((key) => inFlight.has(key));
  if (interrupts.length > 0) {
    if (ours.length > 0) {
      cancel.push(...ours);
      return null;
    }
    if (thread.request) actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    for (const call of thread.calls) actions.push({ do: "interrupt_call", thread, call });
    for (const event of interrupts) actions.push({ do: "promote", thread, event });
    actions.push({ do: "idle", thread });
    return null;
  }

  if (thread.request) {
    if (!inFlight.has(modelEffect(thread))) {
      actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    }
    return null;
  }
  if (thread.calls.length > 0) {
    let free = limits.parallel_tool_calls_max - ours.length;
    for (const call of thread.calls) {
      if (inFlight.has(toolEffect(call)) || free <= 0) continue;
      actions.push({ do: call.started ? "resume_tool" : "start_tool", thread, call });
      free -= 1;
    }
    return null;
  }

  if (thread.ending?.stop_reason.type === "retries_exhausted") {
    // Whatever had queued for the lost turn is taken up without an answer: the model sees it in the next one.
    for (const event of thread.queued) actions.push({ do: "promote", thread, event });
    actions.push({ do: "idle", thread });
    return null;
  }
  if (thread.retry_at !== null && thread.retry_at > now) return thread.retry_at;
  if (thread.status === "rescheduling") {
    actions.push({ do: "run", thread });
    return null;
  }
  if (thread.orphans >= limits.model_orphans_max) {
    actions.push({ do: "fail_turn", thread, failure: "orphans" });
    return null;
  }
  if (thread.rounds >= limits.tool_rounds_max) {
    actions.push({ do: "fail_turn", thread, failure: "tool_rounds" });
    return null;
  }
  for (const event of thread.queued) actions.push({ do: "promote", thread, event });
  if (thread.queued.length > 0 || owesReply(thread)) actions.push({ do: "call_model", thread });
  else actions.push({ do: "idle", thread });
  return null;
}

/** Whether the conversation waits for the model: its last word is not the model's, and the turn was not refused. */
function owesReply(thread: Thread): boolean {
  return thread.ending === null && thread.messages.at(-1)?.role === "user";
}

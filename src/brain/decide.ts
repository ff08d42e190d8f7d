import { limits } from "../limits.ts";
import { awaitsClient, type Call, type Ending, type Queued, type State, type Thread } from "./state.ts";

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
  /** The client has refused the call. */
  | { do: "deny_call"; thread: Thread; call: Call }
  | { do: "fail_turn"; thread: Thread; failure: "tool_rounds" | "orphans" }
  | { do: "idle"; thread: Thread; ending: Ending };

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
  const confirmations = thread.queued.filter((event) => event.type === "user.tool_confirmation");
  if (interrupts.length === 0 && confirmations.length > 0) {
    for (const event of confirmations) actions.push({ do: "promote", thread, event });
    return null;
  }
  if (thread.status === "idle") {
    decideIdle(thread, interrupts, plan);
    return null;
  }

  const ours = [modelEffect(thread), ...thread.calls.map(toolEffect)].filter((key) => inFlight.has(key));
  if (interrupts.length > 0) {
    if (ours.length > 0) {
      cancel.push(...ours);
      return null;
    }
    if (thread.request) actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    interrupt(thread, interrupts, plan);
    return null;
  }

  if (thread.request) {
    if (!inFlight.has(modelEffect(thread))) {
      actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    }
    return null;
  }
  if (thread.calls.length > 0) {
    decideCalls(thread, ours, inFlight, plan);
    return null;
  }

  if (thread.ending?.stop_reason.type === "retries_exhausted") {
    // Whatever had queued for the lost turn is taken up without an answer: the model sees it in the next one.
    for (const event of thread.queued) actions.push({ do: "promote", thread, event });
    actions.push({ do: "idle", thread, ending: thread.ending });
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
  else actions.push({ do: "idle", thread, ending: thread.ending ?? endTurn });
  return null;
}

const endTurn: Ending = { stop_reason: { type: "end_turn" }, stop_details: null };

function requiresAction(calls: Call[]): Ending {
  return {
    stop_reason: { type: "requires_action", event_ids: calls.map((call) => call.id) },
    stop_details: null,
  };
}

/** An idle thread waits for a message, or for the client to answer its calls. */
function decideIdle(thread: Thread, interrupts: Queued[], { actions }: Plan): void {
  if (interrupts.length > 0) {
    if (thread.asked) interrupt(thread, interrupts, { actions });
    else for (const event of interrupts) actions.push({ do: "promote", thread, event });
    return;
  }
  const waiting = thread.calls.filter(awaitsClient);
  if (waiting.length > 0) {
    // Some were answered: the client hears which are left.
    if (waiting.length < (thread.asked?.length ?? 0)) {
      actions.push({ do: "idle", thread, ending: requiresAction(waiting) });
    }
    return;
  }
  if (thread.asked || thread.queued.length > 0) actions.push({ do: "run", thread });
}

/** Settles what is open and ends the turn; the model is not asked. */
function interrupt(thread: Thread, interrupts: Queued[], { actions }: Pick<Plan, "actions">): void {
  for (const call of thread.calls) actions.push({ do: "interrupt_call", thread, call });
  for (const event of interrupts) actions.push({ do: "promote", thread, event });
  actions.push({ do: "idle", thread, ending: endTurn });
}

/** Runs what may run; when only the client can go on, the thread says so and rests. */
function decideCalls(thread: Thread, ours: string[], inFlight: ReadonlySet<string>, { actions }: Plan): void {
  let free = limits.parallel_tool_calls_max - ours.length;
  let busy = ours.length > 0;
  for (const call of thread.calls) {
    if (awaitsClient(call) || inFlight.has(toolEffect(call))) continue;
    busy = true;
    if (call.confirmation && !call.confirmation.allow) actions.push({ do: "deny_call", thread, call });
    else if (free > 0) {
      actions.push({ do: call.started ? "resume_tool" : "start_tool", thread, call });
      free -= 1;
    }
  }
  if (!busy) actions.push({ do: "idle", thread, ending: requiresAction(thread.calls) });
}

/** Whether the conversation waits for the model: its last word is not the model's, and the turn was not refused. */
function owesReply(thread: Thread): boolean {
  return thread.ending === null && thread.messages.at(-1)?.role === "user";
}

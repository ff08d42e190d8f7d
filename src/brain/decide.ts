import { limits } from "../limits.ts";
import { clearable, isCompactable, notesSuffice } from "./compaction.ts";
import { dueMcpServers } from "./mcp.ts";
import { dueRepositories, type KnownRepository } from "./repositories.ts";
import type { AgentFacts, McpServer } from "./session.ts";
import type { Stopped } from "./spending.ts";
import {
  awaitsClient,
  type Call,
  type Ending,
  type EnvironmentSetup,
  isDueInSandbox,
  type Queued,
  type State,
  setupBy,
  type Thread,
} from "./state.ts";

/** Something to write down, and for some of them an effect to start once it is written. */
export type Action =
  | { do: "promote"; thread: Thread; event: Queued }
  /** The thread and its session begin to run again. */
  | { do: "run"; thread: Thread }
  /** Effect: ask the model. */
  | { do: "call_model"; thread: Thread }
  /** Effect: ask the model for the notes that the conversation goes on from. */
  | { do: "compact"; thread: Thread }
  | { do: "clear_results"; thread: Thread; vendor_ids: string[] }
  /** Effect only: ask a server for its tools. Whoever does not live to see the answer leaves nothing behind. */
  | { do: "list_mcp"; thread: Thread; server: McpServer }
  /** The brain that began this request is gone. */
  | { do: "abandon_request"; thread: Thread; request_id: string }
  /** Effect: have all made that the environment asks for before the first call. */
  | { do: "set_up"; thread: Thread }
  /** Effect only: an earlier brain has begun it; `hands` knows how far it came. */
  | { do: "resume_setup"; thread: Thread; setup_id: string }
  /** Nobody waits for it any more. */
  | { do: "abandon_setup"; thread: Thread; setup_id: string }
  /** Effect: run the call. */
  | { do: "start_tool"; thread: Thread; call: Call }
  /** Effect only: an earlier brain has started the call; `hands` knows how far it came. */
  | { do: "resume_tool"; thread: Thread; call: Call }
  | { do: "interrupt_call"; thread: Thread; call: Call }
  /** The client has refused the call. */
  | { do: "deny_call"; thread: Thread; call: Call }
  | { do: "fail_turn"; thread: Thread; failure: TurnFailure }
  | { do: "idle"; thread: Thread; ending: Ending };

/** What a turn can end of that is nobody's failure. */
export type TurnFailure =
  | { of: "tool_rounds" | "orphans" | "turn_time" | "compactions" }
  | { of: "cap"; message: string };

export interface Plan {
  actions: Action[];
  /** Effects of ours to stop: an interrupt waits for them to end. */
  cancel: string[];
  /** Nothing to do until woken, or for so long. Only when no effect is in flight. */
  park: { after_ms: number | null } | null;
  /** When time alone changes what is to be done, in `ms` since 1970, effects in flight or not. */
  next: number | null;
}

/** Names an effect. At most one of a name is in flight. */
export const modelEffect = (thread: { id: string }) => `model ${thread.id}`;
export const toolEffect = (call: { id: string }) => `tool ${call.id}`;
export const setupEffect = "setup";
export const mcpEffect = (server: { name: string }) => `mcp ${server.name}`;

/**
 * Pure: what the log calls for, given the effects in flight and the time. The shell writes the actions down, starts their
 * effects and asks again; each answer is one step, so that every step sees what was written before it.
 */
export function decide(
  state: State,
  inFlight: ReadonlySet<string>,
  now: number,
  { stopped, room, needs_setup, repositories, agent }: Given = unlimited,
): Plan {
  const plan: Plan = { actions: [], cancel: [], park: null, next: null };
  const due_servers = dueMcpServers(state.agent ?? agent, state.mcp_servers);
  for (const thread of state.threads.values()) {
    const wants_repositories = dueRepositories(repositories, state, thread).length > 0;
    const setup = { setup: state.setup, needs_setup, wants_repositories };
    const due = decideThread(thread, { inFlight, now, stopped, room, due_servers, ...setup }, plan);
    plan.next = earlier(plan.next, due);
  }
  if (plan.actions.length === 0 && inFlight.size === 0) {
    plan.park = { after_ms: plan.next === null ? null : Math.max(0, plan.next - now) };
  }
  return plan;
}

const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

interface Circumstances {
  inFlight: ReadonlySet<string>;
  now: number;
  /** The model may not be asked. */
  stopped: Stopped | null;
  room: Room;
  setup: EnvironmentSetup | null;
  needs_setup: boolean;
  /** Some are to be brought before the next call in the sandbox. */
  wants_repositories: boolean;
  /** MCP servers to be asked for their tools before the model is asked. */
  due_servers: readonly McpServer[];
}

/** What of the circumstances does not come from the state. */
interface Given extends Pick<Circumstances, "stopped" | "room" | "needs_setup"> {
  repositories: readonly KnownRepository[];
  /** Where the log has not changed it. */
  agent: Pick<AgentFacts, "mcp_servers" | "tools">;
}

/** How long a conversation may get. */
interface Room {
  /** What the model can take in. */
  tokens: number;
  /** What the thread takes of it. */
  size(thread: Thread): number;
}

const endlessRoom: Room = { tokens: Number.POSITIVE_INFINITY, size: () => 0 };
/** Nothing is in the way of a request, and nothing is to be set up. */
export const unlimited: Given = {
  stopped: null,
  room: endlessRoom,
  needs_setup: false,
  repositories: [],
  agent: { mcp_servers: [], tools: [] },
};

/** Returns when time alone will change what is to be done, in `ms` since 1970. */
function decideThread(thread: Thread, circumstances: Circumstances, plan: Plan): number | null {
  const { actions } = plan;
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
    decideIdle(thread, interrupts, circumstances.stopped, plan);
    return null;
  }

  const { inFlight, now } = circumstances;
  const setup = setupBy(thread, circumstances.setup);
  const effects = [
    modelEffect(thread),
    ...thread.calls.map(toolEffect),
    ...(setup ? [setupEffect] : []),
    ...[...inFlight].filter((effect) => effect.startsWith(mcpEffect({ name: "" }))),
  ];
  const ours = effects.filter((key) => inFlight.has(key));
  const deadline =
    thread.turn_since === null ? null : thread.turn_since + limits.turn_ms_max - thread.turn_ms;
  const overdue = deadline !== null && now >= deadline && thread.ending === null;
  if (interrupts.length > 0 || overdue) {
    if (ours.length > 0) {
      plan.cancel.push(...ours);
      return null;
    }
    if (thread.request) actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    if (setup) actions.push({ do: "abandon_setup", thread, setup_id: setup.id });
    if (interrupts.length > 0) interrupt(thread, interrupts, plan);
    else {
      for (const call of thread.calls) actions.push({ do: "interrupt_call", thread, call });
      actions.push({ do: "fail_turn", thread, failure: { of: "turn_time" } });
    }
    return null;
  }
  const retryAt = decideRunning(thread, ours, circumstances, plan);
  return earlier(retryAt, deadline);
}

/** Returns when a failed request is due again. */
function decideRunning(
  thread: Thread,
  ours: string[],
  circumstances: Circumstances,
  plan: Plan,
): number | null {
  const { inFlight, now, stopped, room, due_servers } = circumstances;
  const { actions } = plan;
  if (thread.request) {
    if (!inFlight.has(modelEffect(thread))) {
      actions.push({ do: "abandon_request", thread, request_id: thread.request.id });
    }
    return null;
  }
  if (thread.calls.length > 0) {
    decideCalls(thread, ours, circumstances, plan);
    return null;
  }
  if (thread.ending?.stop_reason.type === "retries_exhausted") {
    // Whatever had queued for the lost turn is taken up without an answer: the model sees it in the next one.
    for (const event of thread.queued) actions.push({ do: "promote", thread, event });
    actions.push({ do: "idle", thread, ending: thread.ending });
    return null;
  }
  // A longer wait was written before the clock went back.
  const wait_ms = (thread.retry_at ?? now) - now;
  if (wait_ms > 0 && wait_ms <= limits.session_wait_ms_max) return thread.retry_at;
  if (thread.status === "rescheduling") {
    actions.push({ do: "run", thread });
    return null;
  }
  if (thread.queued.length === 0 && !owesReply(thread)) {
    actions.push({ do: "idle", thread, ending: thread.ending ?? endTurn });
    return null;
  }
  const failure = failureBeforeRequest(thread, stopped);
  if (failure) actions.push({ do: "fail_turn", thread, failure });
  else if (stopped?.by === "budget") actions.push({ do: "idle", thread, ending: budgetReached });
  else if (thread.queued.length > 0) {
    for (const event of thread.queued) actions.push({ do: "promote", thread, event });
  } else if (due_servers.length > 0) {
    for (const server of due_servers)
      if (!inFlight.has(mcpEffect(server))) actions.push({ do: "list_mcp", thread, server });
  } else actions.push(nextRequest(thread, room));
  return null;
}

/**
 * The model is asked to answer, once there is room for that. How much a conversation takes is a guess, which is good for one
 * summary; after that the provider is asked, and only what it finds too long is shortened again.
 */
function nextRequest(thread: Thread, { tokens, size }: Room): Action {
  if (thread.exceeded === 0) {
    const taken = size(thread);
    if (taken <= tokens * limits.context_full_share) return { do: "call_model", thread };
    const vendor_ids = clearable(thread, taken, tokens * limits.context_cleared_share);
    if (vendor_ids && vendor_ids.length > 0) return { do: "clear_results", thread, vendor_ids };
    return { do: notesSuffice(thread) ? "compact" : "call_model", thread };
  }
  const tried = thread.compactions >= limits.compactions_max || thread.exceeded > limits.compactions_max;
  if (tried || !isCompactable(thread)) return { do: "fail_turn", thread, failure: { of: "compactions" } };
  return { do: "compact", thread };
}

function failureBeforeRequest(thread: Thread, stopped: Stopped | null): TurnFailure | null {
  if (thread.orphans >= limits.model_orphans_max) return { of: "orphans" };
  if (thread.rounds >= limits.tool_rounds_max) return { of: "tool_rounds" };
  return stopped?.by === "cap" ? { of: "cap", message: stopped.message } : null;
}

export const endTurn: Ending = { stop_reason: { type: "end_turn" }, stop_details: null };
export const budgetReached: Ending = { stop_reason: { type: "budget_reached" }, stop_details: null };

function requiresAction(calls: Call[]): Ending {
  return {
    stop_reason: { type: "requires_action", event_ids: calls.map((call) => call.id) },
    stop_details: null,
  };
}

/** An idle thread waits for a message, for the client to answer its calls, or for its budget to be raised. */
function decideIdle(thread: Thread, interrupts: Queued[], stopped: Stopped | null, { actions }: Plan): void {
  if (interrupts.length > 0) {
    if (thread.asked || thread.paused) interrupt(thread, interrupts, { actions });
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
  if (thread.paused && stopped?.by === "budget") return;
  if (thread.asked || thread.paused || thread.queued.length > 0) actions.push({ do: "run", thread });
}

/** Settles what is open and ends the turn; the model is not asked. */
function interrupt(thread: Thread, interrupts: Queued[], { actions }: Pick<Plan, "actions">): void {
  for (const call of thread.calls) actions.push({ do: "interrupt_call", thread, call });
  for (const event of [...companions(thread), ...interrupts]) actions.push({ do: "promote", thread, event });
  actions.push({ do: "idle", thread, ending: endTurn });
}

/** Queued system text that came with a call's result: it belongs to the turn of the call and must not begin another. */
function companions({ queued }: Thread): Queued[] {
  const message = queued.findIndex(({ type }) => type === "user.message");
  const before = message === -1 ? queued : queued.slice(0, message);
  return before.filter(({ type }) => type === "system.message");
}

/** Runs what may run; when only the client can go on, the thread says so and rests. */
function decideCalls(thread: Thread, ours: string[], circumstances: Circumstances, { actions }: Plan): void {
  const { inFlight } = circumstances;
  const idle = thread.calls.filter((call) => !inFlight.has(toolEffect(call)));
  if (thread.ending) {
    // The turn has failed: what still runs is the last of it.
    for (const call of idle) actions.push({ do: "interrupt_call", thread, call });
    return;
  }
  let free = limits.parallel_tool_calls_max - ours.length;
  let busy = ours.length > 0;
  let waiting = false;
  for (const call of idle) {
    if (awaitsClient(call)) continue;
    busy = true;
    if (call.confirmation && !call.confirmation.allow) actions.push({ do: "deny_call", thread, call });
    else if (waitsForSetup(call, circumstances)) waiting = true;
    else if (free > 0) {
      actions.push({ do: call.started_seq !== null ? "resume_tool" : "start_tool", thread, call });
      free -= 1;
    }
  }
  if (waiting) decideSetup(thread, circumstances, { actions });
  if (!busy) actions.push({ do: "idle", thread, ending: requiresAction(thread.calls) });
}

const waitsForSetup = (call: Call, { setup, needs_setup, wants_repositories }: Circumstances): boolean =>
  isDueInSandbox(call) && (wants_repositories || (needs_setup && setup?.status !== "ready"));

/** Begins it, or waits again for what an earlier brain has begun. */
function decideSetup(
  thread: Thread,
  { setup, inFlight }: Circumstances,
  { actions }: Pick<Plan, "actions">,
): void {
  if (setup?.status !== "going_on") actions.push({ do: "set_up", thread });
  const begun = setupBy(thread, setup);
  if (begun && !inFlight.has(setupEffect)) {
    actions.push({ do: "resume_setup", thread, setup_id: begun.id });
  }
}

/** Whether the conversation waits for the model: its last word is not the model's, and the turn was not refused. */
function owesReply(thread: Thread): boolean {
  const last = thread.messages.at(-1);
  return thread.ending === null && last !== undefined && last.role !== "assistant";
}

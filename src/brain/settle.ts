import type { AnyDraft } from "../log/entry.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import { conflict } from "../protocol/errors.ts";
import type { Prefix, Settled } from "../resources/sessions/fork.ts";
import { createPen } from "./create-pen.ts";
import { type Action, endTurn } from "./decide.ts";
import { checkpointDrafts, draftsOf, leftDrafts, usageSnapshot } from "./drafts.ts";
import { fold, NewerEntry } from "./fold.ts";
import { type Drafts, provisional } from "./pen.ts";
import type { SessionFacts } from "./session.ts";
import { budgetCents, type Spending } from "./spending.ts";
import { clientTurn, emptyState, type State, setupBy, type Thread } from "./state.ts";

/**
 * Ends what goes on in a part of a log as an interrupt does, at the time at which it ends, and holds all of it in a
 * checkpoint: brains need not read the other session's entries. What waits for the client goes on waiting. Pure but for
 * the ids it draws.
 */
export function settle(
  fork: Pick<SessionFacts, "workspace_id" | "session_id" | "agent" | "budget_cents">,
  prefix: Prefix,
  { newId, spending }: { newId(): string; spending: Spending },
): Settled {
  const facts: SessionFacts = { ...fork, ...unused };
  const now = Date.parse(prefix.ended_at);
  let state = inherited(prefix, facts.session_id);
  const pen = createPen(facts, state, { newId, now, random: () => 0, spending });
  const entries: AnyDraft[] = [];
  const add = (drafts: Drafts) => {
    entries.push(...drafts.entries);
    state = fold(provisional(drafts.entries, state.seq, now), state);
  };
  for (const thread of state.threads.values()) {
    for (const action of endingOf(thread, state)) add(draftsOf(action, state, pen));
  }
  if (state.setup) add(leftDrafts(facts, pen));
  const { spent_nano, at_cap } = pen.money(state);
  const settled = {
    fold_from: state.seq,
    usage: usageSnapshot(state, now, null),
    spent_nano,
    budget_cents: budgetCents(state, facts),
    at_cap,
    asks: clientTurn(state),
    active_ms: state.active_ms,
  };
  add(checkpointDrafts(state, facts, pen));
  return { entries, ...settled };
}

/** What nothing that ends depends on. */
const unused = {
  skills: [],
  repositories: [],
  mounts_version: 0,
  fold_from: 0,
  self_hosted: false,
  needs_setup: false,
};

/** The state that the other log says, as that of this session. */
function inherited(prefix: Prefix, sessionId: string): State {
  const { session_id, take_up_seq } = prefix;
  const state = folded(prefix);
  const primary = primaryThreadOf(session_id);
  const ownId = (id: string) => (id === primary ? primaryThreadOf(sessionId) : id);
  const threads = [...state.threads.values()].map((thread) => ({
    ...thread,
    id: ownId(thread.id),
    queued: thread.queued.filter(({ seq }) => seq === take_up_seq),
  }));
  const setup =
    state.setup?.status === "going_on"
      ? { ...state.setup, thread_id: ownId(state.setup.thread_id) }
      : state.setup;
  return { ...state, setup, threads: new Map(threads.map((thread) => [thread.id, thread])) };
}

function folded({ session_id, fold_from, entries }: Prefix): State {
  try {
    return fold(entries, { ...emptyState(), seq: fold_from });
  } catch (error) {
    if (!(error instanceof NewerEntry)) throw error;
    throw conflict(`session ${session_id} can be forked there by a newer version of the server alone`);
  }
}

function endingOf(thread: Thread, state: State): Action[] {
  const { queued, request, calls } = thread;
  const setup = setupBy(thread, state.setup);
  const taken = queued.map((event) => ({ do: "promote", thread, event }) as const);
  const isInterrupted = queued.some(({ type }) => type === "user.interrupt");
  const rests = thread.status === "idle" || thread.status === "terminated";
  // A worker may be at them: they are the other session's.
  const isWorkedOn = calls.some(
    ({ kind, permission, confirmation }) =>
      kind === "worker" && (permission !== "ask" || confirmation !== null),
  );
  if (rests && !isWorkedOn && !(isInterrupted && (thread.asked || thread.paused))) {
    // What is said while calls are open is taken up behind their results.
    return calls.length === 0 ? taken : taken.filter(({ event }) => event.type === "user.tool_confirmation");
  }
  return [
    ...(request ? [{ do: "abandon_request", thread, request_id: request.id } as const] : []),
    ...(setup ? [{ do: "abandon_setup", thread, setup_id: setup.id } as const] : []),
    ...calls.map((call) => ({ do: "interrupt_call", thread, call }) as const),
    ...taken,
    { do: "idle", thread, ending: endTurn },
  ];
}

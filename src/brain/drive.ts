import { failpoint } from "../failpoints.ts";
import type { SetUpResult } from "../hands/wire.ts";
import type { AppendRequest, AppendResult } from "../log/append.ts";
import type { Entry } from "../log/entry.ts";
import type { Lease } from "../log/lease.ts";
import type { SessionPreview } from "../log/previews.ts";
import { primaryThreadOf } from "../log/thread-id.ts";
import type { AssistantBlock, ModelEvent, ModelRequest, ToolDefinition } from "../models/model.ts";
import { toolNamed } from "../tools/toolset.ts";
import { summaryRequest } from "./compaction.ts";
import { modelRequest } from "./context.ts";
import { contextTokens } from "./context-size.ts";
import { createPen } from "./create-pen.ts";
import { type Action, decide, mcpEffect, modelEffect, setupEffect, toolEffect } from "./decide.ts";
import { checkpointDrafts, draftsOf, usageSnapshot } from "./drafts.ts";
import { awaitSetup } from "./environment-setup.ts";
import { fold } from "./fold.ts";
import { type Judged, judgeReply } from "./judge.ts";
import type { McpListed, McpServerState } from "./mcp.ts";
import type { Memory } from "./memory.ts";
import type { Outcome } from "./outcome.ts";
import { outcomeDrafts } from "./outcome-drafts.ts";
import { type Drafts, none, provisional, type SessionMoney } from "./pen.ts";
import { startPreview } from "./preview.ts";
import { type DueRepository, dueRepositories, type RepositoryOutcome } from "./repositories.ts";
import { type Contents, contents, type Restoring, restoring } from "./restoring.ts";
import type { AgentFacts, McpServer, SessionFacts } from "./session.ts";
import type { Spending, Stopped } from "./spending.ts";
import { type Call, clientTurn, emptyState, type State, type Thread, wantsCheckpoint } from "./state.ts";

/** Everything a drive touches outside itself. */
export interface Effects {
  /** The session's entries after a seq, "gone" when it was deleted. */
  read(seq: number): Promise<Entry[] | "gone">;
  /** Resolves when there may be entries after the seq, and on abort. */
  ring(seq: number, signal: AbortSignal): Promise<void>;
  append(request: AppendRequest): Promise<AppendResult>;
  /** Ends in exactly one terminal event; never throws. */
  callModel(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
  /** The model that judges the calls of an agent with this model. */
  judgeOf(modelId: string): string;
  /** Shows a part of an answer that is still being written. */
  preview(preview: SessionPreview): void;
  /** The events that were previewed are about to be appended. */
  flushPreviews(): void;
  /** Begins to start the sandbox: the model is writing a call. */
  prepareSandbox(contents: Contents): void;
  /**
   * Resolves when all is made that the environment asks for before the first call, or cannot be. However often it is asked
   * for, it is made once. Abort ends it.
   */
  setUp(contents: Contents, onProgress: (line: string) => void, signal: AbortSignal): Promise<SetUpResult>;
  /** Brings them into the sandbox. However often that is asked for, each stands there once and whole, or it is said why not. */
  placeRepositories(
    due: readonly DueRepository[],
    asking: { setup_id: string } & Restoring,
    onProgress: (line: string) => void,
    signal: AbortSignal,
  ): Promise<RepositoryOutcome[]>;
  /** Ends that which an earlier brain has asked for, or what was begun ahead of a call that will not be made. */
  cancelSetUp(): void;
  /** Stops a command that an earlier brain has started and that nobody waits for any more. */
  cancelTool(call: Call): void;
  /** Asks an MCP server of the agent for its tools. Whatever goes wrong with the server is an answer; abort ends it. */
  listMcp(server: McpServer, signal: AbortSignal): Promise<McpListed>;
  /**
   * From now on calls `changed` with the name of a server that has other tools than it has listed. Returns those of which that
   * came to be known while the session was not driven.
   */
  watchMcp(changed: (server_name: string) => void): string[];
  /** The tools of the web that are configured. */
  webTools: readonly ToolDefinition[];
  /** Runs a call once, however often it is asked for it. Abort stops the command and still answers. */
  runTool(
    call: Call,
    signal: AbortSignal,
    asking: { agent: AgentFacts; mcp_servers: readonly McpServerState[]; thread: Thread } & Restoring,
  ): Promise<Omit<Extract<Outcome, { type: "tool_finished" }>, "type" | "thread_id" | "tool_use_id">>;
  /**
   * The server's cap that this session's next model request would break, if any, as said to the client. `unwritten` was
   * spent too, in billionths of a dollar, and is not in the log yet.
   */
  capReached(agent: AgentFacts, unwritten: number): Promise<string | null>;
  spending: Spending;
  /** What a model can take in, in tokens. */
  contextWindow(modelId: string): number;
  newId(): string;
  now(): number;
  random(): number;
}

/** How a drive ended: nothing to do until the session is woken or due; another brain has the session; the session is gone; told to stop. */
export type DriveEnd = "parked" | "lost" | "gone" | "stopped";

/**
 * Acts on one session for as long as there is something to do. What it decides it writes down first; every append
 * holds only if the log is still as it was read (`if_seq`) and the lease still ours, so that a decision never
 * overlooks what came in between. Abort of `stop` hands the session over: a model request is given up, a running
 * command goes on and is found again by the next brain.
 */
export async function drive(
  facts: SessionFacts,
  lease: Lease,
  effects: Effects,
  stop: AbortSignal,
  memory: Pick<Memory, "recall" | "keep"> = { recall: emptyState, keep() {} },
): Promise<DriveEnd> {
  const inFlight = new Map<string, AbortController>();
  /** Null: the effect goes on. */
  const outcomes: { effect: string | null; outcome: Outcome }[] = [];
  let bell = new AbortController();
  const ring = () => bell.abort();
  let failure: unknown = null;
  let alarm: NodeJS.Timeout | undefined;
  let state = startingState(memory.recall(facts.session_id), facts);
  stop.addEventListener("abort", ring);
  const requestOf = (agent: AgentFacts, thread: Thread, { mcp_servers }: State = state) =>
    modelRequest(agent, thread, effects.webTools, facts, mcp_servers);

  const mayBeSetUp = facts.needs_setup || facts.repositories.length > 0;

  function start(effect: string, run: (signal: AbortSignal) => Promise<Outcome>): void {
    const abort = new AbortController();
    inFlight.set(effect, abort);
    run(abort.signal)
      .then((outcome) => outcomes.push({ effect, outcome }))
      .catch((error) => {
        failure = error;
      })
      .finally(ring);
  }

  function tell(outcome: Outcome): void {
    outcomes.push({ effect: null, outcome });
    ring();
  }

  function startEffect(action: Action, drafts: Drafts): void {
    const { thread } = action;
    if (action.do === "compact") {
      const about = { thread_id: thread.id, request_id: drafts.entries[0]?.id ?? "" };
      const asking = state.threads.get(thread.id) ?? thread;
      const agent = state.agent ?? facts.agent;
      const request = summaryRequest(requestOf(agent, asking), {
        shorter: asking.exceeded,
        tokens: effects.contextWindow(agent.model.id),
      });
      start(modelEffect(thread), (signal) => summarise(about, request, effects, signal));
    } else if (action.do === "call_model") {
      const requestId = drafts.entries[0]?.id ?? "";
      const asking = state.threads.get(thread.id) ?? thread;
      const agent = state.agent ?? facts.agent;
      const request = requestOf(agent, asking);
      const about = { thread_id: thread.id, request_id: requestId };
      const at = { seq: state.seq, contents: contents(state) };
      start(modelEffect(thread), (signal) =>
        callModel(about, request, at, effects, signal, (reply) =>
          judgeReply(agent, { ...asking, reply, mcp_servers: state.mcp_servers }, effects, signal),
        ),
      );
    } else if (action.do === "set_up" || action.do === "resume_setup") {
      const setup_id = action.do === "set_up" ? (drafts.entries[0]?.id ?? "") : action.setup_id;
      const about = { thread_id: thread.id, setup_id };
      const wanted = contents(state);
      const at = restoring(state);
      const due = dueRepositories(facts.repositories, state, state.threads.get(thread.id) ?? thread);
      const setUp: Parameters<typeof awaitSetup>[1] = async (...asked) => {
        const result = await effects.setUp(wanted, ...asked);
        if (result.status !== "ready") return result;
        const repositories =
          due.length === 0 ? [] : await effects.placeRepositories(due, { setup_id, ...at }, ...asked);
        return { ...result, repositories };
      };
      start(setupEffect, (signal) => awaitSetup(about, setUp, tell, signal));
    } else if (action.do === "list_mcp") {
      const { server } = action;
      start(mcpEffect(server), async (signal) => {
        const result = await effects.listMcp(server, signal);
        return { type: "mcp_listed", thread_id: thread.id, server, result };
      });
    } else if (action.do === "start_tool" || action.do === "resume_tool") {
      const { call } = action;
      const asking = {
        agent: state.agent ?? facts.agent,
        mcp_servers: state.mcp_servers,
        thread: state.threads.get(thread.id) ?? thread,
        ...restoring(state),
      };
      start(toolEffect(call), async (signal) => {
        failpoint("tool_asked");
        const result = await effects.runTool(call, signal, asking);
        failpoint("tool_answered");
        return { type: "tool_finished", thread_id: thread.id, tool_use_id: call.id, ...result };
      });
    }
  }

  /** One append: how the effects ended that have, and what is to be done next. Null when it came too late. */
  async function step(): Promise<"again" | "wait" | DriveEnd> {
    const ended = [...outcomes];
    const agent = state.agent ?? facts.agent;
    const now = effects.now();
    let predicted = state;
    const pen = createPen(facts, state, { ...effects, now });
    const room = {
      tokens: effects.contextWindow(agent.model.id),
      size: (thread: Thread) => contextTokens(thread, requestOf(agent, thread, predicted)),
    };
    const running = new Set(inFlight.keys());
    for (const { effect } of ended) if (effect !== null) running.delete(effect);

    const all = none();
    const add = (drafts: Drafts) => {
      all.entries.push(...drafts.entries);
      // A thread may end one turn and begin another: what it is at the end counts.
      const named = new Set(drafts.threads.map(({ id }) => id));
      all.threads = [...all.threads.filter(({ id }) => !named.has(id)), ...drafts.threads];
      all.status = drafts.status ?? all.status;
      predicted = fold(provisional(drafts.entries, predicted.seq, now), predicted);
      return drafts;
    };
    const checkpoint = wantsCheckpoint(state);
    if (checkpoint) add(checkpointDrafts(state, facts, pen));
    for (const { outcome } of ended) add(outcomeDrafts(outcome, predicted, pen));
    const cap = await effects.capReached(agent, predicted.spent_nano - state.spent_nano);

    const started: { action: Action; drafts: Drafts }[] = [];
    let park: { after_ms: number | null } | null = null;
    let next: number | null = null;
    if (stop.aborted) {
      for (const [effect, abort] of inFlight) if (effect.startsWith("model ")) abort.abort();
      if (![...running].some((effect) => effect.startsWith("model "))) park = { after_ms: 0 };
    } else {
      for (;;) {
        const stopped = stoppedBy(pen.money(predicted), cap);
        const plan = decide(predicted, running, now, { stopped, room, ...facts });
        next = plan.next;
        for (const effect of plan.cancel) inFlight.get(effect)?.abort();
        park = plan.park;
        if (plan.actions.length === 0) break;
        for (const action of plan.actions) {
          started.push({ action, drafts: add(draftsOf(action, predicted, pen)) });
          if (action.do === "call_model" || action.do === "compact") running.add(modelEffect(action.thread));
          if (action.do === "list_mcp") running.add(mcpEffect(action.server));
          if (action.do === "set_up" || action.do === "resume_setup") running.add(setupEffect);
          if (action.do === "start_tool" || action.do === "resume_tool") running.add(toolEffect(action.call));
        }
      }
    }

    if (all.entries.length > 0 || park) {
      const { spent_nano, at_cap } = pen.money(predicted);
      const result = await effects.append({
        workspace_id: facts.workspace_id,
        session_id: facts.session_id,
        entries: all.entries,
        threads: all.threads,
        status: all.status,
        usage: usageSnapshot(predicted, now, null),
        spent_nano,
        at_cap,
        asks: clientTurn(predicted),
        ...(checkpoint && { fold_from: state.seq }),
        uses_sandbox:
          started.some(({ action }) => startsInSandbox(action)) ||
          ended.some(({ outcome }) => outcome.type === "tool_finished" && outcome.uses_sandbox === true),
        lease,
        if_seq: state.seq,
        run: park ? { type: "park", after_ms: park.after_ms } : undefined,
      });
      if (result.verdict === "behind") return "again";
      if (result.verdict === "not_found") return "gone";
      if (result.verdict !== "accepted") return "lost";
      state = fold(result.entries, state);
    }
    outcomes.splice(0, ended.length);
    for (const { effect } of ended) if (effect !== null) inFlight.delete(effect);
    for (const { action } of started) {
      if (action.do === "interrupt_call" && action.call.started_seq !== null) effects.cancelTool(action.call);
      if (mayBeSetUp && endsSetup(action, state)) effects.cancelSetUp();
    }
    if (park) {
      memory.keep(facts.session_id, state);
      return stop.aborted ? "stopped" : "parked";
    }
    for (const { action, drafts } of started) startEffect(action, drafts);
    clearTimeout(alarm);
    if (next !== null) alarm = setTimeout(ring, Math.max(1, next - now));
    return "wait";
  }

  const changed = (server_name: string, at_once: boolean) =>
    tell({ type: "mcp_changed", thread_id: primaryThreadOf(facts.session_id), server_name, at_once });
  for (const name of effects.watchMcp((server_name) => changed(server_name, false))) changed(name, true);

  try {
    for (;;) {
      const entries = await effects.read(state.seq);
      if (entries === "gone") return "gone";
      if (entries.length > 0) {
        state = fold(entries, state);
        continue;
      }
      if (failure) throw failure;
      const next = await step();
      if (next === "again") continue;
      if (next !== "wait") return next;
      if (failure || outcomes.length > 0) continue;
      await effects.ring(state.seq, bell.signal);
      bell = new AbortController();
    }
  } finally {
    clearTimeout(alarm);
    stop.removeEventListener("abort", ring);
    for (const [effect, abort] of inFlight)
      if (effect.startsWith("model ") || effect.startsWith("mcp ")) abort.abort();
  }
}

const startsInSandbox = (action: Action): boolean =>
  action.do === "set_up" || (action.do === "start_tool" && toolNamed(action.call.name) !== undefined);

/** That of another thread goes on. */
const endsSetup = (action: Action, { setup }: State): boolean =>
  setup === null &&
  (action.do === "abandon_setup" || (action.do === "promote" && action.event.type === "user.interrupt"));

function startingState(remembered: State, { fold_from, mounts_version }: SessionFacts): State {
  const state = remembered.seq < fold_from ? { ...emptyState(), seq: fold_from } : remembered;
  return { ...state, mounts: Math.max(state.mounts, mounts_version) };
}

function stoppedBy(money: SessionMoney, cap: string | null): Stopped | null {
  if (money.at_cap) return { by: "budget" };
  return cap === null ? null : { by: "cap", message: cap };
}

async function callModel(
  about: About,
  request: ModelRequest,
  { seq, contents }: { seq: number; contents: Contents },
  effects: Effects,
  signal: AbortSignal,
  judge: (reply: AssistantBlock[]) => Promise<Judged>,
): Promise<Outcome> {
  const { thread_id } = about;
  const preview = startPreview(effects.newId, (part, at) =>
    effects.preview({ thread_id, seq, at, preview: part }),
  );
  const mayUseSandbox = request.tools.some(({ name }) => toolNamed(name));
  for await (const event of effects.callModel(request, signal)) {
    preview.take(event);
    switch (event.type) {
      case "block_start":
        if (event.block === "tool_use" && mayUseSandbox) effects.prepareSandbox(contents);
        break;
      case "text_delta":
      case "thinking_delta":
      case "block_end":
        break;
      case "finished": {
        effects.flushPreviews();
        const { content, stop, usage, served_by } = event;
        const judged = await judge(stop.reason === "refusal" ? [] : content);
        if (judged.aborted) return { type: "model_aborted", ...about, usage, served_by, judge: judged.judge };
        const { judgements, judge: cost } = judged;
        const reply = { content, stop, usage, served_by, judgements, judge: cost };
        return { type: "model_replied", ...about, ...reply, previewed: preview.ids };
      }
      case "failed":
        return modelFailed(about, event);
      case "aborted":
        return modelAborted(about, event);
    }
  }
  throw new Error("the model's stream ended without a terminal event");
}

type About = Pick<Extract<Outcome, { type: "model_failed" }>, "thread_id" | "request_id">;
type EventOf<Type extends ModelEvent["type"]> = Omit<Extract<ModelEvent, { type: Type }>, "type">;

const modelFailed = (about: About, { failure, usage, served_by }: EventOf<"failed">): Outcome => ({
  type: "model_failed",
  ...about,
  failure,
  usage,
  served_by,
});

const modelAborted = (about: About, { usage, served_by }: EventOf<"aborted">): Outcome => ({
  type: "model_aborted",
  ...about,
  usage,
  served_by,
  judge: null,
});

/** Notes without a text are none, and what a refusal breaks off is no notes: the request is tried again. */
async function summarise(
  about: About,
  request: ModelRequest,
  effects: Effects,
  signal: AbortSignal,
): Promise<Outcome> {
  for await (const event of effects.callModel(request, signal)) {
    if (event.type === "failed") return modelFailed(about, event);
    if (event.type === "aborted") return modelAborted(about, event);
    if (event.type !== "finished") continue;
    const { content, stop, usage, served_by } = event;
    const texts = content.flatMap((block) => (block.type === "text" ? [block.text] : []));
    const summary = stop.reason === "refusal" ? "" : texts.join("\n\n");
    if (summary.trim() !== "") return { type: "summarised", ...about, summary, usage, served_by };
    const failure = { kind: "unavailable", message: noNotes, retryable: true, retry_after_ms: null } as const;
    return modelFailed(about, { failure, usage, served_by });
  }
  throw new Error("the model's stream ended without a terminal event");
}

const noNotes =
  "The model was to sum up the conversation, which has outgrown its context, and wrote nothing.";

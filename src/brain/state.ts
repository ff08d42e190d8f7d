import { limits } from "../limits.ts";
import type { SessionStatus } from "../log/append.ts";
import type { BodyOf, NamedFile } from "../log/entry.ts";
import { type ContentBlock, type ModelMessage, type ModelUsage, noUsage } from "../models/model.ts";
import type { EvaluatedPermission, StopDetails, StopReason } from "../protocol/events.ts";
import { toolNamed } from "../tools/toolset.ts";
import type { ShownUrl } from "../tools/web/sources.ts";
import type { McpServerState } from "./mcp.ts";
import type { RepositoryState } from "./repositories.ts";
import type { AgentFacts } from "./session.ts";

/** What a session's log says, folded. */
export interface State {
  seq: number;
  status: SessionStatus;
  usage: ModelUsage;
  /** Searches of the web. */
  web_searches: number;
  /** What the model's tokens and the searches have cost at list prices, in billionths of a dollar. */
  spent_nano: number;
  /** As the log last changed them; undefined where it has not, and the session's facts hold. */
  budget_cents?: number | null;
  agent?: AgentFacts;
  /** The newest call that has ended and was made in a sandbox; not there before the first. */
  sandbox_call?: string;
  /** Id of the newest restore of the workspace that was told; not there before the first. */
  restore_known?: string;
  /** The number by which `hands` know what is mounted into the sandbox; 0 is nothing. */
  mounts: number;
  /** What files held when they were named, by their ids. */
  files: Record<string, NamedFile>;
  /** Null before it is begun, and after one that has failed. */
  setup: EnvironmentSetup | null;
  /** What came of the session's repositories, by the ids of the resources. */
  repositories: Record<string, RepositoryState>;
  /** What the model is still to be told of them. */
  repository_notes: string[];
  /** Those of the agent's MCP servers that were asked for their tools. */
  mcp_servers: McpServerState[];
  /** Time spent running before `running_since`, in `ms`. */
  active_ms: number;
  running_since: number | null;
  threads: Map<string, Thread>;
  /** The newest checkpoint, and the newest entry that made a thread's conversation shorter. */
  checkpoint_seq: number;
  shortened_seq: number;
}

/** What the environment asks for before the first call in a sandbox. */
export type EnvironmentSetup =
  /** By a thread whose calls wait for it; `told` is how often what it does was. */
  { status: "going_on"; id: string; thread_id: string; told: number } | { status: "ready" };

export interface Thread {
  id: string;
  status: SessionStatus;
  /** Client events that have arrived and were not taken up, in order. */
  queued: Queued[];
  /** The conversation as the model sees it. */
  messages: ModelMessage[];
  /** The texts of the user's own messages among them: all that counts as what the user wants. */
  user_texts: string[];
  /** What may be fetched because results have shown it that are not among the messages any more. */
  shown_urls: ShownUrl[];
  /** Calls of the newest reply that have no result yet. */
  calls: Call[];
  /** What the model counted of the conversation with its newest answer, in tokens; null when there is none to go by. */
  counted_tokens: number | null;
  /** The newest message of the user, which no summary replaces. */
  newest_user: ContentBlock[];
  /** Compactions since the model's last answer. */
  compactions: number;
  /** How often since then the provider has said that the conversation is too long. */
  exceeded: number;
  /** A model request whose end is not in the log. */
  request: { id: string } | null;
  /** Failed attempts at the request that is due, and when it may be sent again, in `ms` since 1970. */
  failures: number;
  retry_at: number | null;
  /** Requests in a row whose brain did not live to see the end. */
  orphans: number;
  /** Where this turn began. An interrupt from before it interrupts nothing. */
  began_seq: number;
  /** Tool rounds in this turn. */
  rounds: number;
  /** Time in this turn before `turn_since`, in `ms`; waits for the client are left out. */
  turn_ms: number;
  turn_since: number | null;
  /** The calls that the last idle event has asked the client about; null when it ended the turn. */
  asked: string[] | null;
  /** It rests because the session's budget is used up, with something left to ask the model. */
  paused: boolean;
  /** Set when the turn can only end: why. */
  ending: Ending | null;
}

export interface Ending {
  stop_reason: StopReason;
  stop_details: StopDetails;
}

export type Queued =
  | { type: "user.message"; seq: number; id: string; content: BodyOf<"user.message">["content"] }
  | { type: "system.message"; seq: number; id: string; texts: string[] }
  | { type: "user.interrupt"; seq: number; id: string }
  | { type: "user.tool_confirmation"; seq: number; id: string; tool_use_id: string; answer: Confirmation };

export interface Confirmation {
  allow: boolean;
  deny_message: string | null;
}

export interface Call {
  /** Id of its `agent.tool_use` event or the like, by which `hands` knows it too. */
  id: string;
  /** The vendor's id, which the result must name. */
  vendor_id: string;
  name: string;
  input: Record<string, unknown>;
  /**
   * `custom` is run by the client, `worker` by a worker of the session's environment: a client too, to the brain. `mcp` is run
   * by the MCP server that `mcp` names.
   */
  kind: "built_in" | "custom" | "worker" | "mcp";
  /** The server and its tool, each by its own name. */
  mcp?: { server_name: string; tool_name: string };
  permission: EvaluatedPermission;
  /** What the client said to a call that it was asked about. */
  confirmation: Confirmation | null;
  /** Seq of the entry that says that it was begun. */
  started_seq: number | null;
  /** How often it was begun. What runs in a sandbox is begun once, and found again; what runs in the server is begun anew. */
  starts: number;
}

/** Whether nobody but the client can bring the call further. */
export const awaitsClient = (call: Call): boolean =>
  call.kind === "custom" ||
  (call.permission === "ask" && call.confirmation === null) ||
  (call.kind === "worker" && call.confirmation?.allow !== false);

/** Whether it is still to be begun in the sandbox. */
export const isDueInSandbox = (call: Call): boolean =>
  call.kind === "built_in" && call.started_seq === null && toolNamed(call.name) !== undefined;

/** The set-up that goes on for the thread's calls, if there is one. */
export const setupBy = (thread: Thread, setup: EnvironmentSetup | null) =>
  setup?.status === "going_on" && setup.thread_id === thread.id ? setup : null;

/** What a client may answer now, as `append` knows it: confirmations that wait to be taken up are as good as taken up. */
export function clientTurn(state: State): string[] {
  return [...state.threads.values()].flatMap((thread) =>
    thread.calls.filter(awaitsClient).flatMap((call) => {
      const arrived = thread.queued.find(
        (event) => event.type === "user.tool_confirmation" && event.tool_use_id === call.id,
      );
      const confirmation = arrived?.type === "user.tool_confirmation" ? arrived.answer : call.confirmation;
      return asksOf(call, confirmation);
    }),
  );
}

/** A worker answers at once when it hears that it may: before the brain has taken that up. */
function asksOf({ id, kind, permission }: Call, confirmation: Confirmation | null): string[] {
  if (kind === "custom") return [`result ${id}`];
  if (permission === "ask" && confirmation === null) {
    return kind === "worker"
      ? [`confirmation ${id}`, `if_allowed tool_result ${id}`]
      : [`confirmation ${id}`];
  }
  return kind === "worker" && confirmation?.allow !== false ? [`tool_result ${id}`] : [];
}

export const emptyState = (): State => ({
  seq: 0,
  status: "idle",
  usage: noUsage,
  web_searches: 0,
  spent_nano: 0,
  mounts: 0,
  files: {},
  setup: null,
  repositories: {},
  repository_notes: [],
  mcp_servers: [],
  active_ms: 0,
  running_since: null,
  threads: new Map(),
  checkpoint_seq: 0,
  shortened_seq: 0,
});

/** A state as the log keeps it. */
export const storedState = (state: State): object => ({ ...state, threads: [...state.threads.values()] });

/** What an older version has stored lacks what came later: that is as in a new session. */
export function restoredState(stored: object): State {
  const { threads, ...rest } = stored as Omit<State, "threads"> & { threads: Thread[] };
  const restored = threads.map((thread) => copyOf({ ...newThread(thread.id), ...thread }));
  return { ...emptyState(), ...rest, threads: new Map(restored.map((thread) => [thread.id, thread])) };
}

/** Whether the next brain would have to read much that does not matter any more. */
export const wantsCheckpoint = (state: State): boolean =>
  state.shortened_seq > state.checkpoint_seq || state.seq - state.checkpoint_seq > limits.checkpoint_entries;

export const newThread = (id: string): Thread => ({
  id,
  status: "idle",
  queued: [],
  messages: [],
  counted_tokens: null,
  newest_user: [],
  compactions: 0,
  exceeded: 0,
  user_texts: [],
  shown_urls: [],
  calls: [],
  request: null,
  failures: 0,
  retry_at: null,
  orphans: 0,
  began_seq: 0,
  rounds: 0,
  turn_ms: 0,
  turn_since: null,
  asked: null,
  paused: false,
  ending: null,
});

export const copyOf = (thread: Thread): Thread => ({
  ...thread,
  queued: [...thread.queued],
  messages: [...thread.messages],
  user_texts: [...thread.user_texts],
  calls: [...thread.calls],
});

import type { Restored } from "../hands/wire.ts";
import type { AssistantBlock, ModelUsage, ServedBy, StoredContent } from "../models/model.ts";
import type {
  EventBody,
  RepositoryErrorType,
  SessionEvent,
  SessionEventType,
  StopDetails,
  StopReason,
} from "../protocol/events.ts";
import type { McpTool } from "../protocol/mcp-tools.ts";

/**
 * A row of the log. `seq` counts a session's entries from 1 without gaps and never changes its meaning: nothing is
 * updated in place.
 */
export interface Entry extends AnyDraft {
  seq: number;
  session_id: string;
  created_at: string;
}

/** An entry before the database has given it its place and time. */
export interface AnyDraft {
  id: string;
  thread_id: string;
  audience: Audience;
  type: EntryType;
  /** Of a `promoted` entry: the seq at which the event had arrived. */
  of_seq: number | null;
  body: object;
}

/**
 * Who sees an entry. `internal`: no client. `thread`: its thread's stream and list. `session`: also the session's.
 * `queued`: as `session`, shown on the stream at once with `processed_at: null`; the `promoted` entry that names it
 * is its second appearance there and its place in lists.
 */
export type Audience = "internal" | "thread" | "session" | "queued";

export type EntryType = SessionEventType | keyof InternalBody;

/**
 * Entries that no client sees. `reader` is the lowest reader version that understands one: a server that is too old
 * parks the session instead of guessing.
 */
export interface InternalBody {
  /** A queued event was taken up. */
  promoted: { reader: 1 };
  /** Of a fork: an event that waited to be taken up where the log was cut. It is the other session's. */
  left_out: { reader: 1 };
  /** What the model answered, whole, as it is sent back to it later. */
  model_reply: {
    reader: 1 | 2;
    request_id: string;
    content: AssistantBlock[];
    /** What the request and its answer take of the model's context. */
    context_tokens: number;
    served_by?: ServedBy;
    /** Event ids of the tool uses, by the vendor's tool use id. */
    call_ids: Record<string, string>;
    /** Those of them that a worker of the session's environment runs, by the vendor's ids; needs reader 2. */
    worker_calls?: string[];
    /** How the turn ends when the answer calls no tool. */
    ending: { stop_reason: StopReason; stop_details: StopDetails };
  };
  /** The conversation goes on from these notes on what came before. */
  compaction: { reader: 1; request_id: string; summary: string };
  /** Results of old calls that the model does not see any more, by the vendor's ids of the calls. */
  results_cleared: { reader: 1; vendor_ids: string[] };
  /** The provider says that the conversation is longer than the model's context. */
  context_exceeded: { reader: 1; request_id: string };
  /** All that the log says up to here, so that later readers need not read it. */
  checkpoint: { reader: 1; state: object };
  /** What a model request has used, and what that costs at list price; null when the model has none. */
  charged: {
    reader: 1;
    request_id: string;
    usage: ModelUsage;
    nano_dollars: number | null;
    /** Who stepped in for the agent's model. */
    served_by?: ServedBy;
    /** The model that was asked, by the agent's name for it. */
    model?: string;
    /** What of all this is another model's, which has judged calls. */
    judge?: { model: string; usage: ModelUsage; nano_dollars: number | null };
  };
  /** What a tool call has searched the web for, and what that costs at list price, with the tokens of a model that did it. */
  searched: {
    reader: 1;
    tool_use_id: string;
    requests: number;
    usage?: ModelUsage;
    nano_dollars: number;
    /** The model that did it, and what of the cost its tokens are; null when they have no price. */
    model?: string;
    tokens_nano_dollars?: number | null;
  };
  /** A model request was begun by a brain that did not live to see its end. */
  request_abandoned: { reader: 1; request_id: string };
  /** The turn cannot go on; the error event beside it says why. */
  turn_failed: {
    reader: 1;
    /** The provider refused the request itself. */
    rejected: boolean;
  };
  /** A model request failed and will be sent again, not before `retry_at`. */
  retry_scheduled: { reader: 1; request_id: string; retry_at: string };
  /** What the files hold that the events after it name, by their ids: it stays, whatever becomes of the files. */
  files_named: { reader: 3; files: Record<string, NamedFile> };
  /** What is mounted into the sandbox has changed, and is known by this number from now on. */
  mounts_changed: { reader: 3; version: number };
  /** A repository stands in the workspace: that commit was cloned, or, where none is named, it stood there already. */
  repository_placed: {
    reader: 3;
    resource_id: string;
    url: string;
    mount_path: string;
    commit: string | null;
    branch: string | null;
    /** What it brings of skills that the model may read, by the paths of their SKILL.md in the sandbox. */
    skills: { name: string; description: string; path: string }[];
  };
  /** It does not, and the error event beside it says why. `updated_at` is that of the resource as it was tried. */
  repository_failed: {
    reader: 3;
    resource_id: string;
    url: string;
    mount_path: string;
    error_type: RepositoryErrorType;
    updated_at: string;
  };
  /** The model has been told of what came of repositories, in the result beside it. */
  repositories_told: { reader: 3 };
  /** What an MCP server of the agent offers from now on; what of it cannot be used is left out. */
  mcp_tools_listed: {
    reader: 4;
    server_name: string;
    url: string;
    tools: McpTool[];
  };
  /** It could not be asked, or be reached by a call, and the error event beside it says why. */
  mcp_server_failed: {
    reader: 4;
    server_name: string;
    url: string;
    status: "unreachable" | "unauthorized";
  };
  /** Its tools are not those that were listed. `at_once`: they are to be listed before the model is asked again. */
  mcp_tools_changed: { reader: 4; server_name: string; at_once: boolean };
  /** Of a fork: the environment was set up in the other session's sandbox, and this one's is another. */
  environment_left: { reader: 1 };
  /** The sandbox was not there any more, and this came of bringing its files back for a call. */
  workspace_restored: { reader: 1; tool_use_id: string; restored: Restored };
  /**
   * A tool call is about to run: in a sandbox, under the call id that `hands` knows it by; in the server, which may say so
   * again after another server has ended.
   */
  tool_started: { reader: 1; tool_use_id: string };
}

/** A file as the model is shown it. */
export interface NamedFile extends StoredContent {
  media_type: string;
}

export const readerVersion = 4;

/**
 * The reader version that these entries need. Brains of a lower one leave the session alone from then on; where nothing
 * newer was written, they go on with it.
 */
export const readerOf = (entries: readonly AnyDraft[]): number =>
  Math.max(1, ...entries.map(({ audience, body }) => (audience === "internal" ? internalReader(body) : 1)));

const internalReader = (body: object): number => (body as { reader: number }).reader;

export type BodyOf<T extends EntryType> = T extends keyof InternalBody
  ? InternalBody[T]
  : T extends SessionEventType
    ? EventBody<T>
    : never;

/** The entry as its type says it is. Bodies were checked when they were written. */
export const bodyOf = <T extends EntryType>(entry: { type: EntryType; body: object }, _type: T): BodyOf<T> =>
  entry.body as BodyOf<T>;

export function draft<T extends EntryType>(
  type: T,
  fields: { id: string; thread_id: string; audience: Audience; of_seq?: number },
  body: BodyOf<T>,
): AnyDraft {
  return {
    type,
    id: fields.id,
    thread_id: fields.thread_id,
    audience: fields.audience,
    of_seq: fields.of_seq ?? null,
    body,
  };
}

/** The event that clients see. A queued one has no time until it is promoted. */
export function wireEvent(entry: AnyDraft & Partial<Entry>, promotedAt: string | null = null): SessionEvent {
  const processed_at = entry.audience === "queued" ? promotedAt : entry.created_at;
  return { id: entry.id, type: entry.type, ...entry.body, processed_at } as SessionEvent;
}

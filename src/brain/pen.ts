import type { SessionStatus } from "../log/append.ts";
import { type AnyDraft, type BodyOf, draft, type Entry, type EntryType } from "../log/entry.ts";
import type { ModelUsage, ServedBy } from "../models/model.ts";
import type { PricedModel } from "../models/prices.ts";
import type { EvaluatedPermission, Evaluation } from "../protocol/events.ts";
import { type JudgeCost, usageOf } from "./outcome.ts";
import type { AgentFacts } from "./session.ts";
import type { Call, State, Thread } from "./state.ts";
import type { UnreachableCredential } from "./unreachable.ts";

/** What the writing of entries needs beyond the state. */
export interface Pen {
  agent: AgentFacts;
  newId(): string;
  /** `ms` since 1970, on the database's clock. */
  now: number;
  /** Uniform in [0, 1): spreads retries. */
  random(): number;
  permission(name: string): Permission;
  /** Who runs a built-in tool of this name. */
  runnerOf(name: string): Runner;
  /** In billionths of a dollar; null when the model has no list price. */
  costOf(model: PricedModel, usage: ModelUsage): number | null;
  /** What a search of the web costs, in billionths of a dollar. */
  search_nano: number;
  money(state: State): SessionMoney;
  unreachable: readonly UnreachableCredential[];
}

/** What a session has cost at a point in its log, and what it may cost. */
export interface SessionMoney {
  /** In billionths of a dollar; null when its model has no list price. */
  spent_nano: number | null;
  budget_cents: number | null;
  at_cap: boolean;
}

/** What the agent's configuration says of a call, before anybody is asked. */
export type Permission =
  | { kind: "custom" }
  | (Evaluated & { kind: "built_in" })
  | (Evaluated & { kind: "mcp"; server_name: string; tool_name: string });

interface Evaluated {
  evaluated: EvaluatedPermission;
  evaluation?: Evaluation;
}

export type Runner = "server" | "worker";

/** Entries, and the status that they leave the session and a thread in. */
export interface Drafts {
  entries: AnyDraft[];
  status?: SessionStatus;
  threads: { id: string; status: SessionStatus }[];
}

export const none = (): Drafts => ({ entries: [], threads: [] });

/** Entries as they will be if the append lands: enough to decide on. */
export function provisional(drafts: AnyDraft[], seq: number, now: number): Entry[] {
  const created_at = new Date(now).toISOString();
  return drafts.map((item, i) => ({ ...item, seq: seq + i + 1, session_id: "", created_at }));
}

export type Writer = <T extends EntryType>(type: T, body: BodyOf<T>, id?: string) => AnyDraft;

export const writer =
  (thread: Thread, pen: Pen, audience: "session" | "internal"): Writer =>
  (type, body, id = pen.newId()) =>
    draft(type, { id, thread_id: thread.id, audience }, body);

/** The result of a call, as the event that clients know for its kind. */
export function resultEntry(
  { id, kind }: Pick<Call, "id" | "kind">,
  result: Omit<BodyOf<"agent.mcp_tool_result">, "mcp_tool_use_id">,
  shown: Writer,
): AnyDraft {
  switch (kind) {
    case "mcp":
      return shown("agent.mcp_tool_result", { mcp_tool_use_id: id, ...result });
    case "worker":
      // Workers go by results of their own kind: by any other the next one would take the call for an open one.
      return shown("user.tool_result", { tool_use_id: id, ...result });
    case "built_in":
    case "custom":
      return shown("agent.tool_result", { tool_use_id: id, ...result });
  }
}

/** The end of a model request, and what it has cost. */
export function spanEnd(
  thread: Thread,
  pen: Pen,
  request: {
    request_id: string;
    usage: ModelUsage;
    served_by?: ServedBy | undefined;
    judge?: JudgeCost | null;
  },
  isError: boolean,
): AnyDraft[] {
  const { model } = pen.agent;
  const { request_id, judge = null } = request;
  const usage = usageOf({ usage: request.usage, judge });
  const end = writer(
    thread,
    pen,
    "session",
  )("span.model_request_end", {
    model_request_start_id: request_id,
    is_error: isError,
    model_usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      cache_creation_input_tokens:
        usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      speed: model.speed ?? "standard",
    },
  });
  if (Object.values(usage).every((tokens) => tokens === 0)) return [end];
  const cost = costOf({ ...request, model }, pen);
  const judging = judge && pen.costOf({ id: judge.model }, judge.usage);
  const nano_dollars = cost === null ? null : cost + (judging ?? 0);
  const charged = {
    reader: 1,
    request_id,
    usage,
    nano_dollars,
    ...steppedIn(request),
    model: model.id,
    ...(judge && { judge: { ...judge, nano_dollars: judging } }),
  } as const;
  return [end, writer(thread, pen, "internal")("charged", charged)];
}

type Served = { served_by?: ServedBy | undefined };

/** Who stepped in for the model. */
const steppedIn = ({ served_by }: Served): { served_by?: ServedBy } =>
  served_by && served_by.after.length > 0 ? { served_by } : {};

/** At the price of who stepped in for the model, where that has one. */
export function costOf(request: Served & { model: PricedModel; usage: ModelUsage }, pen: Pen): number | null {
  const { served_by: other } = steppedIn(request);
  const cost = other ? pen.costOf({ id: `${other.provider}/${other.model}` }, request.usage) : null;
  return cost ?? pen.costOf(request.model, request.usage);
}

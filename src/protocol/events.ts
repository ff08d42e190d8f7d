import { z } from "zod";
import { limits } from "../limits.ts";
import {
  redactedBlock,
  type ToolResultContentBlock,
  textBlock,
  toolResultContentBlock,
  userContentBlock,
} from "./content.ts";
import { idOf } from "./ids.ts";
import { excessAdvice, excessOf, loadOf, mediaOf } from "./media.ts";
import { budget, monetaryAmount } from "./money.ts";
import { networkUse } from "./network-use.ts";
import { sessionAgentSnapshot } from "./snapshots.ts";

/**
 * Session events as they cross the wire. Terms: an *event* is what clients send and see; an *entry* is a row of the
 * log, of which events are the visible part. A *turn* lasts from the input that sets a session running to the
 * `session.status_idle` that ends it.
 */

// What clients send.

const blocks = <Block extends z.ZodType>(block: Block) =>
  z.array(block).max(limits.content_blocks_max, `must hold at most ${limits.content_blocks_max} blocks`);

/** Blocks go to the model together, and it takes only so many images and documents at once. */
function checkMedia(content: ToolResultContentBlock[], context: z.RefinementCtx): void {
  const media = content.flatMap((block) =>
    block.type === "image" || block.type === "document" ? [mediaOf(block)] : [],
  );
  const excess = excessOf(loadOf(media));
  if (excess !== null) context.addIssue({ code: "custom", message: excessAdvice[excess] });
}

const userMessageParams = z.strictObject({
  type: z.literal("user.message"),
  content: blocks(userContentBlock).min(1, "must hold at least one block").superRefine(checkMedia),
});
const userInterruptParams = z.strictObject({
  type: z.literal("user.interrupt"),
  session_thread_id: idOf("thread").nullish(),
});
const userToolConfirmationParams = z.strictObject({
  type: z.literal("user.tool_confirmation"),
  tool_use_id: idOf("event"),
  result: z.enum(["allow", "deny"]),
  deny_message: z.string().nullish(),
});
const userCustomToolResultParams = z.strictObject({
  type: z.literal("user.custom_tool_result"),
  custom_tool_use_id: idOf("event"),
  content: blocks(toolResultContentBlock).superRefine(checkMedia).nullish(),
  is_error: z.boolean().nullish(),
});
const userToolResultParams = z.strictObject({
  type: z.literal("user.tool_result"),
  tool_use_id: idOf("event"),
  content: blocks(toolResultContentBlock).superRefine(checkMedia).nullish(),
  is_error: z.boolean().nullish(),
});
const userDefineOutcomeParams = z.strictObject({
  type: z.literal("user.define_outcome"),
  description: z.string().min(1),
  rubric: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), content: z.string().min(1).max(262_144) }),
    z.strictObject({ type: z.literal("file"), file_id: z.string() }),
  ]),
  max_iterations: z.int().min(1).max(20).nullish(),
});
const systemMessageParams = z.strictObject({
  type: z.literal("system.message"),
  content: blocks(textBlock).min(1, "must hold at least one block"),
});

export const eventParams = z.discriminatedUnion("type", [
  userMessageParams,
  userInterruptParams,
  userToolConfirmationParams,
  userCustomToolResultParams,
  userToolResultParams,
  userDefineOutcomeParams,
  systemMessageParams,
]);
export type EventParams = z.infer<typeof eventParams>;

export const initialEventParams = z.discriminatedUnion("type", [userMessageParams, userDefineOutcomeParams]);

export const sendEventsBody = z.strictObject({
  events: z.array(eventParams).min(1, "must hold at least one event").max(limits.events_per_request_max),
});

// What clients see.

const at = z.string();
const id = z.string();
const nullableAt = z.string().nullish();

const userMessage = z.object({
  id,
  type: z.literal("user.message"),
  content: z.array(z.union([userContentBlock, redactedBlock])),
  processed_at: nullableAt,
});
const userInterrupt = z.object({
  id,
  type: z.literal("user.interrupt"),
  session_thread_id: z.string().nullish(),
  processed_at: nullableAt,
});

const userToolConfirmation = z.object({
  id,
  type: z.literal("user.tool_confirmation"),
  tool_use_id: z.string(),
  result: z.enum(["allow", "deny"]),
  deny_message: z.string().nullish(),
  processed_at: nullableAt,
});
const systemMessage = z.object({
  id,
  type: z.literal("system.message"),
  content: z.array(textBlock),
  processed_at: nullableAt,
});
/** Beyond the official API: the work item of a self-hosted environment under which something was done, and its worker. */
const doneBy = z.object({ work_id: z.string(), worker_id: z.string().nullable() });
export type DoneBy = z.infer<typeof doneBy>;

const userCustomToolResult = z.object({
  id,
  type: z.literal("user.custom_tool_result"),
  custom_tool_use_id: z.string(),
  content: z.array(toolResultContentBlock).optional(),
  is_error: z.boolean().nullish(),
  worker: doneBy.optional(),
  processed_at: nullableAt,
});

export const evaluatedPermission = z.enum(["allow", "ask", "deny"]);
export type EvaluatedPermission = z.infer<typeof evaluatedPermission>;

/** Which policy decided, and under `auto` what was judged. */
const evaluation = z.discriminatedUnion("type", [
  z.object({ type: z.literal("always_allow") }),
  z.object({ type: z.literal("always_ask") }),
  z.object({
    type: z.literal("auto"),
    evaluated_permission: z.discriminatedUnion("type", [
      z.object({ type: z.literal("allow") }),
      z.object({ type: z.literal("ask"), reason_code: z.string() }),
      z.object({ type: z.literal("deny"), reason_code: z.string() }),
    ]),
  }),
]);
export type Evaluation = z.infer<typeof evaluation>;

const agentMessage = z.object({
  id,
  type: z.literal("agent.message"),
  content: z.array(z.union([z.object({ type: z.literal("text"), text: z.string() }), redactedBlock])),
  processed_at: at,
});
const agentThreadContextCompacted = z.object({
  id,
  type: z.literal("agent.thread_context_compacted"),
  processed_at: at,
});
const agentThinking = z.object({ id, type: z.literal("agent.thinking"), processed_at: at });
const agentToolUse = z.object({
  id,
  type: z.literal("agent.tool_use"),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  evaluated_permission: evaluatedPermission,
  evaluation: evaluation.optional(),
  processed_at: at,
});
const agentMcpToolUse = z.object({
  id,
  type: z.literal("agent.mcp_tool_use"),
  mcp_server_name: z.string(),
  /** As the server calls it. */
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  evaluated_permission: evaluatedPermission,
  evaluation: evaluation.optional(),
  processed_at: at,
});
const agentCustomToolUse = z.object({
  id,
  type: z.literal("agent.custom_tool_use"),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  processed_at: at,
});
/**
 * What became of a call that was lost while it ran, with its sandbox, its host or the server: it was `run_again`, and the
 * result is that of the last run, or its `outcome_unknown`.
 */
export const recovery = z.object({
  type: z.enum(["run_again", "outcome_unknown"]),
  /** What was lost, the last time. */
  reason: z.string(),
  /** How often it was run again. */
  replays: z.int(),
});
export type Recovery = z.infer<typeof recovery>;

/** The result of a call that a worker of a self-hosted environment runs: by the worker, or by the server in its place. */
const userToolResult = z.object({
  id,
  type: z.literal("user.tool_result"),
  tool_use_id: z.string(),
  content: z.array(toolResultContentBlock).optional(),
  is_error: z.boolean().nullish(),
  recovery: recovery.optional(),
  worker: doneBy.optional(),
  processed_at: nullableAt,
});

const agentToolResult = z.object({
  id,
  type: z.literal("agent.tool_result"),
  tool_use_id: z.string(),
  content: z.array(toolResultContentBlock),
  is_error: z.boolean(),
  recovery: recovery.optional(),
  /** Since the result before it, of all that runs in the session's sandbox. */
  network: networkUse.optional(),
  processed_at: at,
});

const agentMcpToolResult = z.object({
  id,
  type: z.literal("agent.mcp_tool_result"),
  mcp_tool_use_id: z.string(),
  content: z.array(toolResultContentBlock),
  is_error: z.boolean(),
  recovery: recovery.optional(),
  /** As in `agent.tool_result`, where the whole result is kept in the sandbox. */
  network: networkUse.optional(),
  processed_at: at,
});

const retryStatus = z.object({ type: z.enum(["retrying", "exhausted", "terminal"]) });
const repositoryErrorTypes = [
  "repository_authentication_error",
  "repository_forbidden_error",
  "repository_not_found_error",
  "repository_clone_error",
  "repository_checkout_error",
] as const;
export type RepositoryErrorType = (typeof repositoryErrorTypes)[number];

const plainError = z.object({
  type: z.enum([
    "unknown_error",
    "tool_use_limit_reached_error",
    "compaction_limit_reached_error",
    "model_overloaded_error",
    "model_rate_limited_error",
    "model_request_failed_error",
    "billing_error",
  ]),
  message: z.string(),
  retry_status: retryStatus,
});
/** The session goes on without the repository. */
const repositoryError = z.object({
  type: z.enum(repositoryErrorTypes),
  message: z.string(),
  repository_url: z.string().nullable(),
  retry_status: retryStatus,
});
/** The session goes on without the server's tools, or with those that it had before. */
const mcpError = z.object({
  type: z.enum(["mcp_connection_failed_error", "mcp_authentication_failed_error"]),
  message: z.string(),
  mcp_server_name: z.string(),
  retry_status: retryStatus,
});
/** The session goes on, and the credential is used at those of its hosts that the environment lets through. */
const credentialError = z.object({
  type: z.literal("credential_host_unreachable_error"),
  message: z.string(),
  credential_id: z.string(),
  vault_id: z.string(),
  retry_status: retryStatus,
});
const sessionErrorObject = z.discriminatedUnion("type", [
  plainError,
  repositoryError,
  mcpError,
  credentialError,
]);
export type SessionErrorObject = z.infer<typeof sessionErrorObject>;
const sessionError = z.object({
  id,
  type: z.literal("session.error"),
  error: sessionErrorObject,
  processed_at: at,
});

export const stopReason = z.discriminatedUnion("type", [
  z.object({ type: z.literal("end_turn") }),
  /** Names every event that waits for the client's answer. */
  z.object({ type: z.literal("requires_action"), event_ids: z.array(z.string()) }),
  z.object({ type: z.literal("retries_exhausted") }),
  z.object({ type: z.literal("budget_reached") }),
  z.object({ type: z.literal("refusal") }),
]);
export type StopReason = z.infer<typeof stopReason>;

const refusalCategory = z.enum(["cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"]);
export const stopDetails = z
  .object({
    type: z.literal("refusal"),
    category: refusalCategory.nullable(),
    explanation: z.string().nullable(),
  })
  .nullable();
export type StopDetails = z.infer<typeof stopDetails>;

/** The categories that clients know; a vendor's other ones are shown as null. */
export const isRefusalCategory = (value: unknown): value is z.infer<typeof refusalCategory> =>
  refusalCategory.safeParse(value).success;

export const usageSnapshot = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  cache_creation: z.object({ ephemeral_5m_input_tokens: z.int(), ephemeral_1h_input_tokens: z.int() }),
  /** Fetching costs nothing and is not counted: `web_fetch_requests` is always 0. */
  server_tool_use: z.object({ web_search_requests: z.int(), web_fetch_requests: z.int() }),
  /** Time with at least one running thread, in `seconds`. */
  active_seconds: z.number(),
  /** At list prices, rounded to the cent; absent when the model has none. */
  list_cost: monetaryAmount.optional(),
});
export type UsageSnapshot = z.infer<typeof usageSnapshot>;

const spanModelUsage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  speed: z.enum(["standard", "fast"]),
});

/** Beyond the official API: the packages of an environment are installed, and its `setup` commands run, before the first call. */
const environmentSetupStart = z.object({
  id,
  type: z.literal("span.environment_setup_start"),
  processed_at: at,
});
/** What is being done, now and then. */
const environmentSetupOngoing = z.object({
  id,
  type: z.literal("span.environment_setup_ongoing"),
  environment_setup_start_id: z.string(),
  /** One line. */
  message: z.string(),
  processed_at: at,
});
const environmentSetupEnd = z.object({
  id,
  type: z.literal("span.environment_setup_end"),
  environment_setup_start_id: z.string(),
  is_error: z.boolean(),
  /** Why not; null when it is set up. */
  message: z.string().nullable(),
  processed_at: at,
});

const threadStatus = { session_thread_id: z.string(), agent_name: z.string(), processed_at: at };

export const sessionEvent = z.discriminatedUnion("type", [
  userMessage,
  userInterrupt,
  userToolConfirmation,
  userCustomToolResult,
  userToolResult,
  systemMessage,
  agentMessage,
  agentThinking,
  agentThreadContextCompacted,
  agentToolUse,
  agentToolResult,
  agentMcpToolUse,
  agentMcpToolResult,
  agentCustomToolUse,
  sessionError,
  z.object({ id, type: z.literal("session.status_running"), processed_at: at }),
  z.object({
    id,
    type: z.literal("session.status_idle"),
    stop_reason: stopReason,
    stop_details: stopDetails,
    processed_at: at,
  }),
  z.object({ id, type: z.literal("session.status_rescheduled"), processed_at: at }),
  z.object({ id, type: z.literal("session.status_terminated"), processed_at: at }),
  z.object({ id, type: z.literal("session.thread_status_running"), ...threadStatus }),
  z.object({
    id,
    type: z.literal("session.thread_status_idle"),
    ...threadStatus,
    stop_reason: stopReason,
    stop_details: stopDetails,
  }),
  z.object({ id, type: z.literal("session.thread_status_rescheduled"), ...threadStatus }),
  z.object({ id, type: z.literal("session.thread_status_terminated"), ...threadStatus }),
  z.object({
    id,
    type: z.literal("session.updated"),
    title: z.string().nullable().optional(),
    metadata: z.record(z.string(), z.string()).optional(),
    /** The whole snapshot, when it has changed. */
    agent: sessionAgentSnapshot.optional(),
    /** Null when it was removed. */
    budget: budget.nullable().optional(),
    processed_at: at,
  }),
  z.object({
    id,
    type: z.literal("session.usage"),
    usage: usageSnapshot,
    budget: budget.nullable(),
    processed_at: at,
  }),
  z.object({ id, type: z.literal("session.deleted"), processed_at: at }),
  z.object({ id, type: z.literal("span.model_request_start"), processed_at: at }),
  z.object({
    id,
    type: z.literal("span.model_request_end"),
    model_request_start_id: z.string(),
    is_error: z.boolean(),
    model_usage: spanModelUsage,
    processed_at: at,
  }),
  environmentSetupStart,
  environmentSetupOngoing,
  environmentSetupEnd,
]);
export type SessionEvent = z.infer<typeof sessionEvent>;
export type SessionEventType = SessionEvent["type"];
/** Those of the set-up of an environment. */
export type SetupEvent = Extract<SessionEvent, { type: `span.environment_setup_${string}` }>;

/** An event's own fields: what the log keeps as its body. Id and time are columns. */
export type EventBody<T extends SessionEventType> = Omit<
  Extract<SessionEvent, { type: T }>,
  "id" | "type" | "processed_at"
>;

/** Every type a client may name in a `types[]` filter, emitted by this version or not. */
export const sessionEventTypes = [
  "user.message",
  "user.interrupt",
  "user.tool_confirmation",
  "user.custom_tool_result",
  "user.tool_result",
  "user.define_outcome",
  "system.message",
  "agent.message",
  "agent.thinking",
  "agent.tool_use",
  "agent.tool_result",
  "agent.mcp_tool_use",
  "agent.mcp_tool_result",
  "agent.custom_tool_use",
  "agent.thread_message_received",
  "agent.thread_message_sent",
  "agent.thread_context_compacted",
  "session.error",
  "session.status_rescheduled",
  "session.status_running",
  "session.status_idle",
  "session.status_terminated",
  "session.thread_created",
  "session.thread_status_running",
  "session.thread_status_idle",
  "session.thread_status_rescheduled",
  "session.thread_status_terminated",
  "session.updated",
  "session.usage",
  "session.deleted",
  "span.model_request_start",
  "span.model_request_end",
  "span.outcome_evaluation_start",
  "span.outcome_evaluation_ongoing",
  "span.outcome_evaluation_end",
  "span.environment_setup_start",
  "span.environment_setup_ongoing",
  "span.environment_setup_end",
  "workflow_run.created",
  "workflow_run.status_running",
  "workflow_run.status_idle",
  "workflow_run.status_ended",
  "workflow_run.error",
  "workflow_run.phase_started",
  "workflow_run.phase_ended",
] as const;

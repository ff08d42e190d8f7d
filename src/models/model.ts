import type { Gate } from "./gate.ts";
import type { WebSearch, WebSearched } from "./web-search.ts";

/**
 * The port to every model. No vendor's message type passes it in either direction: what is logged and sent back
 * later is in the forms below.
 */
export interface Model {
  /**
   * Streams one answer. Never throws for anything the upstream or the network does: failure is the last event.
   * The iteration ends after exactly one `finished`, `failed` or `aborted`.
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** Finds the model for an id, or says which setting is missing. */
export interface Models {
  find(modelId: string): { model: Model } | { missing: string };
  /** The small model that judges the calls of agents with this model. */
  judgeOf(modelId: string): string;
  /** What a model can take in with what it puts out, in tokens. */
  contextWindow(modelId: string): number;
}

/** Finds who can answer for a model's id, in the order in which they are to be asked; at least one. */
export interface Candidates {
  candidatesFor(modelId: string): { candidates: Candidate[] } | { missing: string };
}

/** A model at one provider. */
export interface Candidate {
  provider: string;
  /** As the provider calls it. */
  modelId: string;
  model: Model;
  gate: Gate;
  /** Whether it can search the web. */
  searches: boolean;
  /** Where the provider speaks the Messages API itself. */
  relay: Relay | null;
}

/** Hands requests of the Messages API on, unread. */
export interface Relay {
  /** Rejects for what the network does; whatever the upstream says is a response. */
  ask(request: RelayedRequest, signal: AbortSignal): Promise<Response>;
  /** What the upstream says, without what it must not repeat. */
  withoutKey(text: string): string;
}

export interface RelayedRequest {
  path: "/v1/messages" | "/v1/messages/count_tokens";
  body: { model: string; stream?: boolean; [field: string]: unknown };
  /** `anthropic-version` and `anthropic-beta`, as the client sent them. */
  headers: Record<string, string>;
}

export type Effort = "low" | "medium" | "high" | "xhigh" | "max";

export interface ModelRequest {
  model: string;
  effort: Effort | null;
  speed: "standard" | "fast";
  system: string;
  tools: ToolDefinition[];
  /** User and assistant take turns, the user first; system text stands only at the end of a user's turn. */
  messages: ModelMessage[];
  /** Of all requests that extend each other: a provider that spreads its caches over machines finds the right one by it. */
  cache_key?: string;
  /** Its last message asks for notes on the conversation: a stand-in for a model has to know. */
  purpose?: "summary";
  /** Failed attempts at this very request so far. */
  attempt: number;
  /** Set when the answer is to be of one form. */
  answer?: AnswerFormat;
  /** Set when the provider is to search the web itself, and to say what it has found. It then gets no other tools. */
  search?: WebSearch;
  /** What clients of the Messages API may want beside. Those of a provider with a relay never get here. */
  options?: AnswerOptions;
}

export interface AnswerFormat {
  name: "verdict" | "answer";
  /** JSON Schema. Providers that can hold an answer to it do; whoever asks checks it all the same. */
  schema: Record<string, unknown>;
  tokens_max: number;
}

/** Left out is what the provider does by itself. What a provider does not know, it refuses. */
export interface AnswerOptions {
  tokens_max: number;
  stop_sequences?: string[];
  temperature?: number;
  top_p?: number;
  top_k?: number;
  tool_choice?: { type: "auto" | "any" | "none" } | { type: "tool"; name: string };
  thinking?: "off";
}

export interface ToolDefinition {
  name: string;
  description: string;
  /** JSON Schema of the input, `type: "object"`. */
  input_schema: Record<string, unknown>;
  /** Whether the provider is to hold the arguments to the schema. */
  strict?: boolean;
}

export type ModelMessage =
  | { role: "user"; content: UserBlock[] }
  /** Instructions that come with the user's turn before it, and hold from then on. */
  | { role: "system"; content: { type: "text"; text: string }[] }
  | { role: "assistant"; content: AssistantBlock[] };

export type UserBlock = ContentBlock | ToolResultBlock;

export interface ToolResultBlock {
  type: "tool_result";
  tool_use_id: string;
  content: ContentBlock[];
  is_error: boolean;
}

export type ContentBlock =
  | { type: "text"; text: string }
  | { type: "image"; source: BinarySource }
  | {
      type: "document";
      source: BinarySource | { type: "text"; media_type: "text/plain"; data: string };
      title?: string | null;
      context?: string | null;
    }
  /** What a tool has found, in pieces. `citations`: whether the model should say which of it an answer is from. */
  | { type: "search_result"; title: string; source: string; content: string[]; citations: boolean };

export type BinarySource =
  | { type: "base64"; media_type: string; data: string; stored?: StoredContent }
  | { type: "url"; url: string };

/** What lies in the file store. Whoever asks a model puts it into `data`, which is empty until then. */
export interface StoredContent {
  sha256: string;
  /** Of its base64. */
  chars: number;
  /** Of an image: has a side that is too long beside many others. */
  large: boolean;
}

/** What the provider of this name wants back with the block that it made; nobody else can read it. */
export interface VendorData {
  provider: string;
  data: string | null;
}

export type AssistantBlock =
  | { type: "text"; text: string; vendor?: VendorData }
  /**
   * `signature` comes from Anthropic and goes back unchanged; other vendors have `vendor`. Without either the block cannot
   * be sent again.
   */
  | { type: "thinking"; thinking: string; signature: string | null; vendor?: VendorData }
  | { type: "redacted_thinking"; data: string }
  /** `malformed` holds arguments that were not a JSON object; `input` is then empty. */
  | {
      type: "tool_use";
      id: string;
      name: string;
      input: Record<string, unknown>;
      malformed?: string;
      vendor?: VendorData;
    };

export interface ModelUsage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_5m_input_tokens: number;
  cache_creation_1h_input_tokens: number;
}

/** A model that was asked beside the agent's own, and what that took. */
export interface ModelUse {
  model: string;
  usage: ModelUsage;
  served_by?: ServedBy;
}

/** Who answered in the end, and who had been asked before in vain. */
export interface ServedBy {
  /** Of the configuration. */
  provider: string;
  /** As the provider calls it. */
  model: string;
  after: { provider: string; model: string; failure: ModelFailure["kind"] }[];
}

export type ModelEvent =
  | { type: "block_start"; index: number; block: "text" | "thinking" | "tool_use" }
  | { type: "text_delta"; index: number; text: string }
  | { type: "thinking_delta"; index: number; text: string }
  /** The block is as it will be in `finished`, which is the end of those that are never told of so. */
  | { type: "block_end"; index: number; block: AssistantBlock }
  | {
      type: "finished";
      content: AssistantBlock[];
      stop: ModelStop;
      usage: ModelUsage;
      served_by?: ServedBy;
      searched?: WebSearched;
    }
  | {
      type: "failed";
      failure: ModelFailure;
      usage: ModelUsage;
      served_by?: ServedBy;
      searched?: WebSearched;
    }
  | { type: "aborted"; usage: ModelUsage; served_by?: ServedBy; searched?: WebSearched };

export type ModelStop =
  | { reason: "end_turn" | "tool_use" | "max_tokens" }
  | { reason: "refusal"; category: string | null; explanation: string | null };

export interface ModelFailure {
  kind:
    | "overloaded"
    | "rate_limited"
    /** 5xx, a broken connection, a stream cut short. */
    | "unavailable"
    | "billing"
    | "authentication"
    /** The upstream refuses this very request; sending it again cannot help. */
    | "rejected"
    /** The conversation is longer than the model's context. */
    | "too_long"
    /** No provider is configured for the model. */
    | "not_configured";
  message: string;
  retryable: boolean;
  /** What the upstream asked for, in `ms`. */
  retry_after_ms: number | null;
}

export const noUsage: ModelUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_5m_input_tokens: 0,
  cache_creation_1h_input_tokens: 0,
};

/** All that went in, from the cache or not. */
export const promptTokens = (usage: ModelUsage): number =>
  usage.input_tokens +
  usage.cache_read_input_tokens +
  usage.cache_creation_5m_input_tokens +
  usage.cache_creation_1h_input_tokens;

export const addUsage = (a: ModelUsage, b: ModelUsage): ModelUsage => ({
  input_tokens: a.input_tokens + b.input_tokens,
  output_tokens: a.output_tokens + b.output_tokens,
  cache_read_input_tokens: a.cache_read_input_tokens + b.cache_read_input_tokens,
  cache_creation_5m_input_tokens: a.cache_creation_5m_input_tokens + b.cache_creation_5m_input_tokens,
  cache_creation_1h_input_tokens: a.cache_creation_1h_input_tokens + b.cache_creation_1h_input_tokens,
});

import type Anthropic from "@anthropic-ai/sdk";
import {
  type FakeReply,
  type FakeRequest as FakeRequestOf,
  type FakeResponder as FakeResponderOf,
  type FakeUpstream,
  startFakeUpstream,
} from "./upstream.ts";
import { usual, type Wire, type WireAnswer, type WireError, wordsOf } from "./wire.ts";

export type { FakeReply };

type Body = Anthropic.MessageCreateParamsStreaming;
export type FakeRequest = FakeRequestOf<Body>;
export type FakeResponder = FakeResponderOf<Body>;

/** The Messages API on loopback. */
export type FakeAnthropic = FakeUpstream<Body>;

export const startFakeAnthropic = (responder?: FakeResponder, port?: number): Promise<FakeAnthropic> =>
  startFakeUpstream(responder, port);

export interface FakeAnswer {
  blocks: FakeBlock[];
  stop_reason?: string | null;
  stop_details?: Record<string, unknown> | null;
  /** Of `message_start` and of `message_delta`. */
  usage?: [Record<string, unknown>, Record<string, unknown>];
}

export type FakeBlock =
  | { type: "text"; text: string[] }
  | { type: "thinking"; thinking: string[]; signature: string }
  | { type: "redacted_thinking"; data: string }
  /** `json`: the arguments, in pieces. */
  | { type: "tool_use"; id: string; name: string; json: string[] };

/** A whole answer as the events of its stream. */
export function answerEvents(answer: FakeAnswer): object[] {
  const [first, last] = answer.usage ?? [{ input_tokens: 10, output_tokens: 1 }, { output_tokens: 5 }];
  const called = answer.blocks.some((block) => block.type === "tool_use");
  const message = { id: "msg_fake", type: "message", role: "assistant", content: [], usage: first };
  return [
    { type: "message_start", message },
    { type: "ping" },
    ...answer.blocks.flatMap(blockEvents),
    {
      type: "message_delta",
      delta: {
        stop_reason:
          answer.stop_reason === undefined ? (called ? "tool_use" : "end_turn") : answer.stop_reason,
        stop_details: answer.stop_details ?? null,
        stop_sequence: null,
      },
      usage: last,
    },
    { type: "message_stop" },
  ];
}

function blockEvents(block: FakeBlock, index: number): object[] {
  const start = (content_block: object) => ({ type: "content_block_start", index, content_block });
  const delta = (change: object) => ({ type: "content_block_delta", index, delta: change });
  const stop = { type: "content_block_stop", index };
  switch (block.type) {
    case "text":
      return [
        start({ type: "text", text: "" }),
        ...block.text.map((text) => delta({ type: "text_delta", text })),
        stop,
      ];
    case "thinking":
      return [
        start({ type: "thinking", thinking: "", signature: "" }),
        ...block.thinking.map((thinking) => delta({ type: "thinking_delta", thinking })),
        delta({ type: "signature_delta", signature: block.signature }),
        stop,
      ];
    case "redacted_thinking":
      return [start(block), stop];
    case "tool_use": {
      const { id, name, json } = block;
      return [
        start({ type: "tool_use", id, name, input: {} }),
        ...json.map((partial_json) => delta({ type: "input_json_delta", partial_json })),
        stop,
      ];
    }
  }
}

export const sse = (events: object[]): string =>
  events
    .map((event) => `event: ${(event as { type: string }).type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("");

export const answerReply = (answer: FakeAnswer): FakeReply => ({ chunks: [sse(answerEvents(answer))] });

export const textReply = (text: string): FakeReply =>
  answerReply({ blocks: [{ type: "text", text: [text] }] });

export const errorReply = (
  status: number,
  type: string,
  message: string,
  headers: Record<string, string> = {},
): FakeReply => ({
  status,
  headers: { "content-type": "application/json", "request-id": "req_fake", ...headers },
  chunks: [JSON.stringify({ type: "error", error: { type, message }, request_id: "req_fake" })],
});

/** The Messages API as one wire format among others. */
export const anthropicWire: Wire = {
  answer: (answer) => sse(eventsOf(answer)),
  begun: (text) => sse(answerEvents({ blocks: [{ type: "text", text: [text] }] }).slice(0, 4)),
  errorInside: (kind) =>
    sse([{ type: "error", error: { type: errorTypes[kind][1], message: "as ordered" } }]),
  error: (kind, headers) =>
    errorReply(...errorTypes[kind], wordsOf(kind, "prompt is too long: 9000 tokens > 8192 maximum"), headers),
};

const errorTypes: Record<WireError, [number, string]> = {
  overloaded: [529, "overloaded_error"],
  rate_limited: [429, "rate_limit_error"],
  unavailable: [500, "api_error"],
  billing: [402, "billing_error"],
  authentication: [401, "authentication_error"],
  rejected: [400, "invalid_request_error"],
  too_long: [400, "invalid_request_error"],
  not_configured: [404, "not_found_error"],
};

function eventsOf({ thinking, text, calls = [], stop, usage = usual }: WireAnswer): object[] {
  const first = { input_tokens: usage.input, output_tokens: 1, cache_read_input_tokens: usage.cached };
  return answerEvents({
    blocks: [
      ...(thinking
        ? [{ type: "thinking" as const, thinking: thinking.pieces, signature: thinking.sealed }]
        : []),
      ...(text ? [{ type: "text" as const, text }] : []),
      ...calls.map((call) => ({ type: "tool_use" as const, ...call })),
    ],
    ...(stop ? { stop_reason: stop === "length" ? "max_tokens" : "refusal" } : {}),
    usage: [first, { output_tokens: usage.output }],
  });
}

import assert from "node:assert/strict";
import type { Accepts } from "../../models/ai-sdk/prompt.ts";
import { promptOf } from "../../models/ai-sdk/prompt.ts";
import { messageParams } from "../../models/anthropic/request.ts";
import type { ModelRequest } from "../../models/model.ts";
import { withoutLastThoughts } from "../../models/sendable.ts";

/** What providers are sent in the end: their prompt caches know nothing of our own form. */
export function assertWire(asked: ModelRequest[]): void {
  for (const [provider, { piecesOf, lasting }] of Object.entries(wires)) {
    let before: string[] = [];
    for (const [n, request] of asked.entries()) {
      if (isTold(request)) continue;
      if (request.purpose !== "summary" && asked[n - 1]?.purpose === "summary") before = [];
      // MCP servers offer others by then.
      if (JSON.stringify(request.tools) !== JSON.stringify(asked[n - 1]?.tools)) before = [];
      assert.deepEqual(
        piecesOf(request).slice(0, before.length),
        before,
        `request ${n + 1} to ${provider} does not extend the one before`,
      );
      if (request.purpose !== "summary") before = piecesOf(lasting(request));
    }
  }
}

/** Asks for notes on a conversation that is too long to be sent. */
export function isTold({ messages: [message] }: Pick<ModelRequest, "messages">): boolean {
  const [first] = message?.content ?? [];
  return first?.type === "text" && first.text.startsWith("The conversation, as far as");
}

const accepts = (
  system_messages: Accepts["system_messages"],
  result_media: Accepts["result_media"],
): Accepts => ({
  system_messages,
  result_media,
  pdf_urls: true,
  callId: (id) => id,
});

interface WireForm {
  piecesOf(request: ModelRequest): string[];
  /** What of a request every later one has at the same place. */
  lasting(request: ModelRequest): ModelRequest;
}

const anthropicWire = (model: string): WireForm => ({
  piecesOf: (request) => anthropicPieces({ ...request, model }),
  lasting: withoutSystemToAnswer,
});

const promptWire = (accepted: Accepts): WireForm => ({
  piecesOf: (request) => promptPieces(request, accepted),
  lasting: withoutLastSystem,
});

const wires: Record<string, WireForm> = {
  anthropic: anthropicWire("claude-opus-5-5"),
  "anthropic, without system messages": anthropicWire("claude-sonnet-4-5"),
  openai: promptWire(accepts("kept", "in_result")),
  others: promptWire(accepts("user_text", "after")),
};

function anthropicPieces(request: ModelRequest): string[] {
  const { messages, ...head } = messageParams(request);
  return [
    written(head),
    ...messages.flatMap(({ role, content }) => [content].flat().map((block) => `${role} ${written(block)}`)),
  ];
}

const promptPieces = (request: ModelRequest, accepted: Accepts): string[] =>
  promptOf(request, "p", accepted).flatMap(({ role, content }) =>
    [content].flat().map((part) => `${role} ${written(part)}`),
  );

const written = (value: unknown) =>
  JSON.stringify(value, (key, inner) => (key === "cache_control" ? undefined : wordFor(inner)));

/** What the user says after an answer that never came goes before the system text of its request. */
function withoutLastSystem(request: ModelRequest): ModelRequest {
  if (request.messages.at(-1)?.role !== "system") return request;
  return { ...request, messages: request.messages.slice(0, -1) };
}

/** The same, where it goes behind all that the user says until an answer comes that can be sent again. */
function withoutSystemToAnswer(request: ModelRequest): ModelRequest {
  const answered = request.messages.findLastIndex(
    ({ role, content }) => role === "assistant" && withoutLastThoughts(content).length > 0,
  );
  const messages = request.messages.filter(({ role }, i) => role !== "system" || i < answered);
  return { ...request, messages };
}

/** A picture is replaced by a word of it when the provider has refused the request. */
function wordFor(value: unknown): unknown {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : null;
  return type === "image" || type === "file"
    ? { type: "text", text: "[The image was left out: the model's provider refused it.]" }
    : value;
}

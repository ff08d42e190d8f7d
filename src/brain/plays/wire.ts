import assert from "node:assert/strict";
import type { Accepts } from "../../models/ai-sdk/prompt.ts";
import { promptOf } from "../../models/ai-sdk/prompt.ts";
import { messageParams } from "../../models/anthropic/request.ts";
import type { ModelRequest } from "../../models/model.ts";

/** What providers are sent in the end: their prompt caches know nothing of our own form. */
export function assertWire(asked: ModelRequest[]): void {
  for (const [provider, piecesOf] of Object.entries(wires)) {
    let before: string[] = [];
    for (const [n, request] of asked.entries()) {
      if (isTold(request)) continue;
      if (request.purpose !== "summary" && asked[n - 1]?.purpose === "summary") before = [];
      assert.deepEqual(
        piecesOf(request).slice(0, before.length),
        before,
        `request ${n + 1} to ${provider} does not extend the one before`,
      );
      if (request.purpose !== "summary") before = piecesOf(withoutLastSystem(request));
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

const wires: Record<string, (request: ModelRequest) => string[]> = {
  anthropic: (request) => anthropicPieces({ ...request, model: "claude-opus-5-5" }),
  "anthropic, without system messages": (request) =>
    anthropicPieces({ ...request, model: "claude-sonnet-4-5" }),
  openai: (request) => promptPieces(request, accepts("kept", "in_result")),
  others: (request) => promptPieces(request, accepts("user_text", "after")),
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
const withoutLastSystem = (request: ModelRequest): ModelRequest =>
  request.messages.at(-1)?.role === "system"
    ? { ...request, messages: request.messages.slice(0, -1) }
    : request;

/** A picture is replaced by a word of it when the provider has refused the request. */
function wordFor(value: unknown): unknown {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : null;
  return type === "image" || type === "file"
    ? { type: "text", text: "[The image was left out: the model's provider refused it.]" }
    : value;
}

import { dataEvents } from "./upstream.ts";
import {
  jsonReply,
  statusOf,
  stopWord,
  usual,
  type Wire,
  type WireAnswer,
  type WireError,
  wordsOf,
} from "./wire.ts";

/** Mistral's chat completions: each call in one piece, thoughts as parts of the content. */
export const mistralWire: Wire = {
  answer: (answer) => dataEvents([...chunksOf(answer), "[DONE]"]),
  begun: (text) => dataEvents([chunk({ role: "assistant", content: text })]),
  errorInside: (kind) => dataEvents([errorOf(kind)]),
  error: (kind, headers) => jsonReply(statusOf[kind], errorOf(kind), headers),
};

const errorOf = (kind: WireError) => ({
  object: "error",
  message: wordsOf(kind, "Prompt contains 9000 tokens, too large for model with 8192 maximum context length"),
  type: kind,
  param: null,
  code: String(statusOf[kind]),
});

function chunksOf(answer: WireAnswer): object[] {
  const { thinking, text = [], calls = [], usage = usual } = answer;
  const reason = stopWord(answer, "length", "content_filter") ?? null;
  const thought = (piece: string) => [{ type: "thinking", thinking: [{ type: "text", text: piece }] }];
  return [
    chunk({ role: "assistant", content: "" }),
    ...(thinking?.pieces ?? []).map((piece) => chunk({ content: thought(piece) })),
    ...text.map((content) => chunk({ content })),
    ...calls.map(({ id, name, json }, index) =>
      chunk({ tool_calls: [{ index, id, function: { name, arguments: json.join("") } }] }),
    ),
    {
      ...chunk({ content: "" }, reason ?? (calls.length > 0 ? "tool_calls" : "stop")),
      usage: {
        prompt_tokens: usage.input + usage.cached,
        completion_tokens: usage.output,
        total_tokens: usage.input + usage.cached + usage.output,
        ...(usage.cached > 0 ? { prompt_tokens_details: { cached_tokens: usage.cached } } : {}),
      },
    },
  ];
}

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "fake",
  object: "chat.completion.chunk",
  created: 1,
  model: "fake",
  choices: [{ index: 0, delta, finish_reason }],
});

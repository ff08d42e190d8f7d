import { dataEvents } from "./upstream.ts";
import {
  interleaved,
  jsonReply,
  statusOf,
  stopWord,
  usual,
  type Wire,
  type WireAnswer,
  type WireError,
  wordsOf,
} from "./wire.ts";

/** Chat completions, as OpenAI once defined them and most servers speak them. */
export const openaiChatWire: Wire = {
  answer: (answer) => dataEvents([...chunksOf(answer), "[DONE]"]),
  begun: (text) => dataEvents([chunk({ role: "assistant", content: text })]),
  errorInside: (kind) => dataEvents([{ error: errorOf(kind) }]),
  error: (kind, headers) => jsonReply(statusOf[kind], { error: errorOf(kind) }, headers),
};

const errorOf = (kind: WireError) => ({
  message: wordsOf(
    kind,
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
  ),
  type: kind === "billing" ? "insufficient_quota" : "some_error",
  param: null,
  code: statusOf[kind],
});

function chunksOf(answer: WireAnswer): object[] {
  const { thinking, text = [], calls = [], usage = usual } = answer;
  const reason = stopWord(answer, "length", "content_filter") ?? null;
  return [
    chunk({ role: "assistant", content: "" }),
    ...(thinking?.pieces ?? []).map((piece) => chunk({ reasoning_content: piece })),
    ...text.map((content) => chunk({ content })),
    ...calls.map(({ id, name }, index) =>
      chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
    ),
    ...interleaved(
      calls.map(({ json }, index) =>
        json.map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
      ),
    ),
    chunk({}, reason ?? (calls.length > 0 ? "tool_calls" : "stop")),
    {
      ...about,
      choices: [],
      usage: {
        prompt_tokens: usage.input + usage.cached,
        completion_tokens: usage.output,
        total_tokens: usage.input + usage.cached + usage.output,
        prompt_tokens_details: { cached_tokens: usage.cached },
      },
    },
  ];
}

const about = { id: "chatcmpl-fake", object: "chat.completion.chunk", created: 1, model: "fake" };

const chunk = (delta: object, finish_reason: string | null = null) => ({
  ...about,
  choices: [{ index: 0, delta, finish_reason }],
});

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

/** OpenAI's Responses API. */
export const openaiResponsesWire: Wire = {
  answer: (answer) => numbered(eventsOf(answer)),
  begun: (text) => numbered([created, ...textEvents([text], 0).slice(0, 3)]),
  errorInside: (kind) => numbered([created, { type: "error", ...errorOf(kind) }]),
  error: (kind, headers) => jsonReply(statusOf[kind], { error: errorOf(kind) }, headers),
};

const codes: Record<WireError, string> = {
  overloaded: "server_is_overloaded",
  rate_limited: "rate_limit_exceeded",
  unavailable: "server_error",
  billing: "insufficient_quota",
  authentication: "invalid_api_key",
  rejected: "invalid_prompt",
  too_long: "context_length_exceeded",
  not_configured: "model_not_found",
};

const errorOf = (kind: WireError) => ({
  message: wordsOf(kind, "Your input exceeds the context window of this model."),
  code: codes[kind],
  param: null,
});

const numbered = (events: { type: string }[]): string =>
  events
    .map((event, i) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: i })}\n\n`)
    .join("");

type Event = { type: string } & Record<string, unknown>;

const response = { id: "resp_fake", created_at: 1, model: "fake", service_tier: "default" };
const created: Event = { type: "response.created", response };

function eventsOf(answer: WireAnswer): Event[] {
  const { thinking, text = [], calls = [], usage = usual } = answer;
  const before = thinking ? 1 : 0;
  const callsFrom = before + (text.length > 0 ? 1 : 0);
  const incomplete = stopWord(answer, "max_output_tokens", "content_filter");
  return [
    created,
    ...(thinking ? thinkingEvents(thinking) : []),
    ...(text.length > 0 ? textEvents(text, before) : []),
    ...callEvents(calls, callsFrom),
    {
      type: incomplete ? "response.incomplete" : "response.completed",
      response: {
        ...response,
        incomplete_details: incomplete ? { reason: incomplete } : null,
        usage: {
          input_tokens: usage.input + usage.cached,
          input_tokens_details: { cached_tokens: usage.cached },
          output_tokens: usage.output,
          output_tokens_details: { reasoning_tokens: 0 },
        },
      },
    },
  ];
}

function thinkingEvents({ pieces, sealed }: NonNullable<WireAnswer["thinking"]>): Event[] {
  const item = { type: "reasoning", id: "rs_fake", summary: [] };
  const place = { item_id: "rs_fake", output_index: 0, summary_index: 0 };
  return [
    { type: "response.output_item.added", output_index: 0, item: { ...item, encrypted_content: "" } },
    {
      type: "response.reasoning_summary_part.added",
      ...place,
      part: { type: "summary_text", text: "" },
    },
    ...pieces.map((delta) => ({ type: "response.reasoning_summary_text.delta", ...place, delta })),
    { type: "response.reasoning_summary_part.done", ...place },
    {
      type: "response.output_item.done",
      output_index: 0,
      item: { ...item, encrypted_content: sealed },
    },
  ];
}

function textEvents(pieces: string[], output_index: number): Event[] {
  const id = `msg_${output_index}`;
  const item = { type: "message", id, role: "assistant", content: [] };
  const place = { item_id: id, output_index, content_index: 0 };
  return [
    { type: "response.output_item.added", output_index, item },
    { type: "response.content_part.added", ...place, part: { type: "output_text", text: "" } },
    ...pieces.map((delta) => ({ type: "response.output_text.delta", ...place, delta })),
    { type: "response.output_text.done", ...place, text: pieces.join("") },
    { type: "response.output_item.done", output_index, item },
  ];
}

function callEvents(calls: NonNullable<WireAnswer["calls"]>, from: number): Event[] {
  const items = calls.map(({ id, name, json }, i) => ({
    output_index: from + i,
    json,
    item: { type: "function_call", id: `fc_${id}`, call_id: id, name },
  }));
  return [
    ...items.map(({ output_index, item }) => ({
      type: "response.output_item.added",
      output_index,
      item: { ...item, arguments: "" },
    })),
    ...interleaved(
      items.map(({ output_index, item, json }) =>
        json.map((delta) => ({
          type: "response.function_call_arguments.delta",
          item_id: item.id,
          output_index,
          delta,
        })),
      ),
    ),
    ...items.map(({ output_index, item, json }) => ({
      type: "response.output_item.done",
      output_index,
      item: { ...item, arguments: json.join(""), status: "completed" },
    })),
  ];
}

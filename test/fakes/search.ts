import { sse } from "./anthropic.ts";
import { dataEvents } from "./upstream.ts";

/** A search of a vendor's own in no vendor's form. */
export interface WireSearched {
  pages?: { url: string; title: string; age?: string }[];
  /** What the model says, and the pages (by their place) that it cites for it, each with a passage. */
  says?: { text: string; cites: { page: number; passage: string }[] }[];
  /** Searches that were made. */
  queries?: readonly string[];
  /** The vendor's word for a search that failed. */
  error?: string;
}

const tokens = { input: 2_000, output: 100 };

/** How each vendor writes it, as one text. */
export const searchWires = { anthropic, openai, google };
export type SearchVendor = keyof typeof searchWires;

function anthropic({ pages = [], says = [], queries = ["q"], error }: WireSearched): string {
  const content = error
    ? { type: "web_search_tool_result_error", error_code: error }
    : pages.map(({ url, title, age }) => ({
        type: "web_search_result",
        url,
        title,
        page_age: age ?? null,
        encrypted_content: "c2VhbGVk",
      }));
  const call = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} };
  const result = { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content };
  const texts = says.map(({ text, cites }) => [
    { type: "text_delta", text: text.slice(0, 3) },
    ...cites.map(({ page, passage }) => ({
      type: "citations_delta",
      citation: {
        type: "web_search_result_location",
        url: pages[page]?.url ?? `https://never-found.example/${page}`,
        title: null,
        cited_text: passage,
        encrypted_index: "c2VhbGVk",
      },
    })),
    { type: "text_delta", text: text.slice(3) },
  ]);
  const blocks: { start: object; deltas: object[] }[] = [
    { start: call, deltas: [{ type: "input_json_delta", partial_json: '{"query":"q"}' }] },
    { start: result, deltas: [] },
    ...texts.map((deltas) => ({ start: { type: "text", text: "", citations: [] }, deltas })),
  ];
  return sse([
    { type: "message_start", message: { usage: { input_tokens: tokens.input, output_tokens: 1 } } },
    ...blocks.flatMap(({ start, deltas }, index) => [
      { type: "content_block_start", index, content_block: start },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn" },
      usage: {
        output_tokens: tokens.output,
        server_tool_use: { web_search_requests: error ? 0 : queries.length },
      },
    },
    { type: "message_stop" },
  ]);
}

/** Its citations are links in the text, and say in the address where they come from. */
function openai({ pages = [], says = [], queries = ["q"], error }: WireSearched): string {
  const response = { id: "resp_fake", created_at: 1, model: "fake" };
  const calls = queries.map((query, i) => ({
    type: "web_search_call",
    id: `ws_${i}`,
    status: error ?? "completed",
    action: { type: "search", query, sources: pages.map(({ url }) => ({ type: "url", url })) },
  }));
  let text = "";
  const annotations: object[] = [];
  for (const { text: said, cites } of says) {
    text += said;
    for (const { page } of cites) {
      const { url, title } = pages[page] ?? { url: "https://other.example/", title: "Other" };
      const tagged = `${url}?utm_source=openai`;
      const link = ` ([${title}](${tagged}))`;
      const at = { start_index: text.length + 1, end_index: text.length + link.length };
      annotations.push({ type: "url_citation", url: tagged, title, ...at });
      text += link;
    }
    text += "\n";
  }
  const output_index = calls.length;
  const message = { type: "message", id: "msg_fake" };
  const place = { item_id: "msg_fake", output_index, content_index: 0 };
  const events = [
    { type: "response.created", response },
    ...calls.flatMap((item, i) => [
      { type: "response.output_item.added", output_index: i, item: { ...item, status: "in_progress" } },
      { type: "response.output_item.done", output_index: i, item },
    ]),
    { type: "response.output_item.added", output_index, item: message },
    { type: "response.output_text.delta", ...place, delta: text },
    ...annotations.map((annotation, annotation_index) => ({
      type: "response.output_text.annotation.added",
      ...place,
      annotation_index,
      annotation,
    })),
    { type: "response.output_item.done", output_index, item: message },
    {
      type: "response.completed",
      response: {
        ...response,
        usage: {
          input_tokens: tokens.input,
          input_tokens_details: { cached_tokens: 0 },
          output_tokens: tokens.output,
          output_tokens_details: { reasoning_tokens: 0 },
        },
      },
    },
  ];
  return dataEvents(events);
}

/** It names redirects of its own for the pages, with the host as a title. */
function google({ pages = [], says = [], queries = ["q"] }: WireSearched): string {
  const groundingMetadata = {
    webSearchQueries: queries,
    groundingChunks: pages.map(({ url }, i) => ({
      web: { uri: redirectTo(i), title: new URL(url).hostname },
    })),
    groundingSupports: says.map(({ text, cites }) => ({
      segment: { text },
      groundingChunkIndices: cites.map(({ page }) => page),
    })),
  };
  const candidate = (parts: object[], more: object = {}) => ({
    candidates: [{ content: { role: "model", parts }, index: 0, ...more }],
  });
  return dataEvents([
    candidate([{ text: says.map(({ text }) => text).join("\n") }]),
    {
      ...candidate([{ text: "" }], { finishReason: "STOP", groundingMetadata }),
      usageMetadata: { promptTokenCount: tokens.input, candidatesTokenCount: tokens.output },
    },
  ]);
}

export const redirectTo = (page: number) =>
  `https://vertexaisearch.cloud.google.com/grounding-api-redirect/page-${page}`;

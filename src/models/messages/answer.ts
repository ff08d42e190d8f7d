import { type AssistantBlock, type ModelEvent, type ModelUsage, noUsage } from "../model.ts";
import { sealed } from "./seal.ts";

/** Answers of our own models in the form of the Messages API. */

type Json = Record<string, unknown>;
type Finished = Extract<ModelEvent, { type: "finished" }>;

export interface AboutAnswer {
  id: string;
  /** As the client asked for it. */
  model: string;
}

export const messageOf = (about: AboutAnswer, { content, stop, usage }: Finished): Json => ({
  ...emptyMessage(about),
  content: content.flatMap(wireBlocks),
  ...stopOf(stop),
  usage: usageOf(usage),
});

const emptyMessage = ({ id, model }: AboutAnswer): Json => ({
  id,
  type: "message",
  role: "assistant",
  model,
  content: [],
  container: null,
  diagnostics: null,
  stop_reason: null,
  stop_sequence: null,
  stop_details: null,
});

function stopOf(stop: Finished["stop"]): Json {
  if (stop.reason !== "refusal") return { stop_reason: stop.reason };
  const { category, explanation } = stop;
  return { stop_reason: "refusal", stop_details: { type: "refusal", category, explanation } };
}

const countsOf = (usage: ModelUsage): Json => ({
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
  output_tokens_details: null,
  cache_read_input_tokens: usage.cache_read_input_tokens,
  cache_creation_input_tokens: usage.cache_creation_5m_input_tokens + usage.cache_creation_1h_input_tokens,
  server_tool_use: null,
});

const usageOf = (usage: ModelUsage): Json => ({
  ...countsOf(usage),
  cache_creation: {
    ephemeral_5m_input_tokens: usage.cache_creation_5m_input_tokens,
    ephemeral_1h_input_tokens: usage.cache_creation_1h_input_tokens,
  },
  inference_geo: null,
  service_tier: null,
  speed: null,
});

/** A call that needs something to go back with it has a sealed block before it. */
function wireBlocks(block: AssistantBlock): Json[] {
  switch (block.type) {
    case "text":
      return [{ type: "text", text: block.text, citations: null }];
    case "thinking": {
      const { thinking, signature, vendor } = block;
      return [{ type: "thinking", thinking, signature: vendor ? sealed(vendor) : (signature ?? "") }];
    }
    case "redacted_thinking":
      return [block];
    case "tool_use": {
      const { id, name, input, vendor } = block;
      const call = { type: "tool_use", id, name, input, caller: { type: "direct" } };
      return vendor && vendor.data !== null
        ? [{ type: "redacted_thinking", data: sealed(vendor) }, call]
        : [call];
    }
  }
}

/** A block on its way to the client. */
interface Outgoing {
  events: Json[];
  /** Told piece by piece; another kind is told when it is whole. */
  streamed: boolean;
  ended: boolean;
}

/**
 * Turns the events of an answer into those of a stream of the Messages API, where a block ends before the next begins:
 * what comes of a later one waits.
 */
export function startMessageStream(about: AboutAnswer) {
  const blocks: Outgoing[] = [];
  /** The block that is being told, and the index that the client knows it by. */
  let current = 0;
  let index = -1;

  function* ready(): Generator<Json> {
    for (let block = blocks[current]; block; block = blocks[current]) {
      for (const event of block.events.splice(0)) {
        if (event.type === "content_block_start") index += 1;
        yield { ...event, index };
      }
      if (!block.ended) return;
      current += 1;
    }
  }

  function end(place: number, block: AssistantBlock): void {
    const outgoing = blocks[place];
    if (!outgoing || outgoing.ended) return;
    outgoing.ended = true;
    const told = wireBlocks(block);
    outgoing.events.push(...told.flatMap(outgoing.streamed ? endOfStreamed : wholeBlock));
  }

  return {
    *start(): Generator<Json> {
      yield { type: "message_start", message: { ...emptyMessage(about), usage: usageOf(noUsage) } };
    },
    *take(event: ModelEvent): Generator<Json> {
      switch (event.type) {
        case "block_start":
          blocks.push({
            events: event.block === "tool_use" ? [] : [startOf(emptyBlocks[event.block])],
            streamed: event.block !== "tool_use",
            ended: false,
          });
          break;
        case "text_delta":
          blocks[event.index]?.events.push(deltaOf({ type: "text_delta", text: event.text }));
          break;
        case "thinking_delta":
          blocks[event.index]?.events.push(deltaOf({ type: "thinking_delta", thinking: event.text }));
          break;
        case "block_end":
          end(event.index, event.block);
          break;
        case "finished":
          for (const [place, block] of event.content.entries()) end(place, block);
      }
      yield* ready();
    },
    *finish({ stop, usage }: Finished): Generator<Json> {
      const delta = { stop_sequence: null, stop_details: null, container: null, ...stopOf(stop) };
      yield { type: "message_delta", delta, usage: countsOf(usage) };
      yield { type: "message_stop" };
    },
  };
}

const emptyBlocks = {
  text: { type: "text", text: "", citations: null },
  thinking: { type: "thinking", thinking: "", signature: "" },
};

const startOf = (content_block: Json): Json => ({ type: "content_block_start", content_block });
const deltaOf = (delta: Json): Json => ({ type: "content_block_delta", delta });
const stop: Json = { type: "content_block_stop" };

const endOfStreamed = ({ signature }: Json): Json[] =>
  signature ? [deltaOf({ type: "signature_delta", signature }), stop] : [stop];

const wholeBlock = (block: Json): Json[] =>
  block.type === "tool_use"
    ? [
        startOf({ ...block, input: {} }),
        deltaOf({ type: "input_json_delta", partial_json: JSON.stringify(block.input) }),
        stop,
      ]
    : [startOf(block), stop];

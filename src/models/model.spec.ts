import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Model, ModelEvent, ModelFailure, ModelMessage, ModelRequest } from "./model.ts";

/** What a model is made to do. */
export type Order =
  | { text: string }
  | { calls: { name: string; input: Record<string, unknown> }[] }
  | { failure: ModelFailure["kind"] }
  /** Says this, and then nothing more. */
  | { hangAfter: string };

export interface Subject {
  model: Model;
  modelId: string;
  /** Whether the provider says what an answer takes before it ends. */
  usage_from_the_start: boolean;
  /** Makes the model obey the next request; that request is to carry the messages that come back. */
  order(order: Order): ModelMessage[];
  close(): Promise<void>;
}

export type Ending = Extract<ModelEvent, { type: "finished" | "failed" | "aborted" }>;

export const userSays = (...texts: string[]): ModelMessage => ({
  role: "user",
  content: texts.map((text) => ({ type: "text", text })),
});

export const requestOf = (modelId: string, messages: ModelMessage[]): ModelRequest => ({
  model: modelId,
  effort: null,
  speed: "standard",
  system: "You are a test.",
  tools: [{ name: "bash", description: "Runs a command.", input_schema: { type: "object", properties: {} } }],
  messages,
  attempt: 0,
});

/** All events of an answer, which has to end once, at its end. */
export async function answerOf(
  model: Model,
  request: ModelRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ events: ModelEvent[]; ending: Ending }> {
  const events: ModelEvent[] = [];
  for await (const event of model.stream(request, signal)) events.push(event);
  return { events, ending: endingOf(events) };
}

const endsIn = (events: ModelEvent[]) =>
  events.flatMap((event) => (event.type === "block_end" ? [event] : []));

export function endingOf(events: ModelEvent[]): Ending {
  const endings = events.filter(
    (event): event is Ending =>
      event.type === "finished" || event.type === "failed" || event.type === "aborted",
  );
  const [ending] = endings;
  assert.equal(endings.length, 1);
  assert.ok(ending);
  assert.equal(events.at(-1), ending);
  return ending;
}

/** What every model does alike. */
export function specifyModel(name: string, start: () => Promise<Subject>): void {
  describe(`${name}: what every model does`, async () => {
    const subject = await start();
    const { model } = subject;
    const ask = (order: Order) => requestOf(subject.modelId, subject.order(order));
    after(() => subject.close());

    test("an answer streams its text and ends the turn", async () => {
      const text = "Grüße, 世界 👋, and a few words more than fit into one piece of a stream.";
      const { events, ending } = await answerOf(model, ask({ text }));
      assert.ok(ending.type === "finished");
      assert.equal(ending.content.length, 1);
      assert.ok(ending.content[0]?.type === "text");
      assert.equal(ending.content[0].text, text);
      assert.deepEqual(ending.stop, { reason: "end_turn" });
      assert.ok(ending.usage.input_tokens > 0 && ending.usage.output_tokens > 0);
      assert.deepEqual(events[0], { type: "block_start", index: 0, block: "text" });
      const deltas = events.flatMap((event) => (event.type === "text_delta" ? [event] : []));
      assert.equal(deltas.map((event) => event.text).join(""), text);
      assert.ok(deltas.every((event) => event.index === 0));
      for (const { index, block } of endsIn(events)) assert.deepEqual(block, ending.content[index]);
    });

    for (const count of [1, 3]) {
      test(`${count} tool calls in one answer`, async () => {
        const calls = Array.from({ length: count }, (_, i) => ({
          name: "bash",
          input: { command: `echo ${i} "ü"`, nested: { list: [i, null] } },
        }));
        const { events, ending } = await answerOf(model, ask({ calls }));
        assert.ok(ending.type === "finished");
        assert.deepEqual(ending.stop, { reason: "tool_use" });
        const blocks = ending.content.flatMap((block) => (block.type === "tool_use" ? [block] : []));
        assert.deepEqual(
          blocks.map(({ name: tool, input }) => ({ name: tool, input })),
          calls,
        );
        assert.equal(new Set(blocks.map((block) => block.id)).size, count);
        assert.deepEqual(
          endsIn(events).map(({ block }) => block),
          ending.content,
        );
        const starts = events.flatMap((event) => (event.type === "block_start" ? [event] : []));
        assert.deepEqual(
          starts,
          calls.map((_, index) => ({ type: "block_start", index, block: "tool_use" })),
        );
      });
    }

    for (const kind of ["overloaded", "rate_limited", "unavailable", "rejected", "too_long"] as const) {
      test(`failure is an event: ${kind}`, async () => {
        const { ending } = await answerOf(model, ask({ failure: kind }));
        assert.ok(ending.type === "failed");
        assert.equal(ending.failure.kind, kind);
        assert.equal(ending.failure.retryable, kind !== "rejected" && kind !== "too_long");
      });
    }

    test("abort ends an answer that has begun", async () => {
      const abort = new AbortController();
      const events: ModelEvent[] = [];
      for await (const event of model.stream(ask({ hangAfter: "one moment" }), abort.signal)) {
        events.push(event);
        if (event.type === "text_delta") setImmediate(() => abort.abort());
      }
      const ending = endingOf(events);
      assert.equal(ending.type, "aborted");
      assert.equal(ending.usage.input_tokens > 0, subject.usage_from_the_start);
    });

    test("abort before the start asks nothing", async () => {
      const { events } = await answerOf(model, ask({ text: "never" }), AbortSignal.abort());
      assert.equal(events.length, 1);
      assert.equal(events[0]?.type, "aborted");
    });
  });
}

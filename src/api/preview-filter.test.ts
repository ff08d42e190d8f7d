import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import fc from "fast-check";
import { startPreview } from "../brain/preview.ts";
import { limits } from "../limits.ts";
import { draft, type Entry, type EntryType } from "../log/entry.ts";
import { createPreviews, type Preview, type SessionPreview } from "../log/previews.ts";
import type { ModelEvent } from "../models/model.ts";
import { newId } from "../protocol/ids.ts";
import { type PreviewFilter, previewFilter } from "./preview-filter.ts";

const sessionId = "sesn_01x";
const threadId = "sthr_01x";
const both = ["agent.message", "agent.thinking"];

function filtered(deltas: string[] = both, takes: () => boolean = () => true) {
  const shown: Preview[] = [];
  const filter = previewFilter(
    { sessionId, threadId: null, start: { seq: 10 }, wanted: { deltas } },
    (preview) => {
      if (!takes()) return "shed";
      shown.push(preview);
      return "shown";
    },
  );
  return { filter, shown };
}

const entry = (type: EntryType, seq: number, thread_id = threadId): Entry => ({
  ...draft("span.model_request_start", { id: `sevt_${seq}`, thread_id, audience: "session" }, {}),
  type,
  seq,
  session_id: sessionId,
  created_at: "2026-01-01T00:00:00Z",
});

const start = (id: string, seq = 10, thread_id = threadId): SessionPreview => ({
  thread_id,
  seq,
  at: 0,
  preview: { type: "event_start", event: { type: "agent.message", id } },
});

const delta = (event_id: string, at: number, text: string, seq = 10): SessionPreview => ({
  thread_id: threadId,
  seq,
  at,
  preview: {
    type: "event_delta",
    event_id,
    delta: { type: "content_delta", index: 0, content: { type: "text", text } },
  },
});

const hearAll = (filter: PreviewFilter, ...previews: SessionPreview[]) => {
  for (const preview of previews) filter.hear(preview);
};

/** What a client makes of deltas, by event and block. */
function textsOf(shown: Preview[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const preview of shown) {
    if (preview.type !== "event_delta") continue;
    const key = `${preview.event_id} ${preview.delta.index}`;
    texts.set(key, (texts.get(key) ?? "") + preview.delta.content.text);
  }
  return texts;
}

describe("a stream that asked for previews", () => {
  test("shows a start and what follows it", () => {
    const { filter, shown } = filtered();
    hearAll(filter, start("a"), delta("a", 0, "Hel"), delta("a", 3, "lo"));
    assert.deepEqual([...textsOf(shown)], [["a 0", "Hello"]]);
    assert.equal(shown[0]?.type, "event_start");
  });

  test("shows nothing of an event whose start it has missed, or did not ask for", () => {
    const { filter, shown } = filtered(["agent.thinking"]);
    hearAll(filter, delta("a", 5, "late"), start("b"), delta("b", 0, "not asked for"));
    assert.deepEqual(shown, []);
  });

  test("stops where a delta is missing, came too late, or could not be taken", () => {
    let free = true;
    const { filter, shown } = filtered(both, () => free);
    hearAll(filter, start("a"), delta("a", 0, "one"), delta("a", 6, "three"), delta("a", 3, "two"));
    free = false;
    hearAll(filter, start("b"));
    free = true;
    hearAll(filter, delta("b", 0, "one"), start("c"), delta("c", 0, "one"));
    free = false;
    hearAll(filter, delta("c", 3, "two"));
    free = true;
    hearAll(filter, delta("c", 6, "three"));
    assert.deepEqual(
      [...textsOf(shown)],
      [
        ["a 0", "one"],
        ["c 0", "one"],
      ],
    );
  });

  test("holds back what is ahead of the log it has shown", () => {
    const { filter, shown } = filtered();
    hearAll(filter, start("a", 12), delta("a", 0, "Hi", 12));
    filter.passed(entry("user.message", 11));
    assert.deepEqual(shown, []);
    filter.passed(entry("span.model_request_start", 12));
    assert.deepEqual([...textsOf(shown)], [["a 0", "Hi"]]);
  });

  test("shows nothing once the answer is there, nor of a request that is over, whoever still writes it", () => {
    const { filter, shown } = filtered();
    hearAll(filter, start("a"), delta("a", 0, "Hi"));
    filter.passed(entry("span.model_request_end", 12));
    hearAll(filter, delta("a", 2, " there"), start("b"), delta("b", 0, "from a brain that was replaced"));
    assert.deepEqual([...textsOf(shown)], [["a 0", "Hi"]]);
    filter.passed(entry("span.model_request_start", 13));
    hearAll(filter, start("c", 13), delta("c", 0, "Hello", 13));
    filter.passed(entry("agent.message", 15));
    hearAll(filter, delta("c", 5, "!", 13));
    assert.equal(textsOf(shown).get("c 0"), "Hello");
  });

  test("is of one thread: another one's answers neither show nor end anything", () => {
    const { filter, shown } = filtered();
    hearAll(filter, start("a"), delta("a", 0, "Hel"), start("b", 10, "sthr_other"));
    filter.passed(entry("span.model_request_end", 11, "sthr_other"));
    filter.passed(entry("agent.message", 12, "sthr_other"));
    hearAll(filter, delta("a", 3, "lo"));
    assert.deepEqual([...textsOf(shown)], [["a 0", "Hello"]]);
    assert.equal(shown.filter(({ type }) => type === "event_start").length, 1);
  });
});

/** An answer as it streams: text split anywhere, also within a character. */
const block = fc.oneof(
  fc.record({
    type: fc.constant("text" as const),
    deltas: fc.array(fc.constantFrom("word ", "\ud83d", "\ude00", "😀", "é", "\u0000", "x".repeat(700)), {
      minLength: 1,
      maxLength: 6,
    }),
  }),
  fc.constant({ type: "thinking" as const, deltas: [] }),
  fc.constant({ type: "tool_use" as const, deltas: [] }),
);

const eventsOf = (
  blocks: { type: "text" | "thinking" | "tool_use"; deltas: readonly string[] }[],
): ModelEvent[] =>
  blocks.flatMap(({ type, deltas }, index): ModelEvent[] => [
    { type: "block_start", index, block: type },
    ...deltas.map((text) => ({ type: "text_delta" as const, index, text })),
  ]);

/** The final text of each previewed message, by event and block. */
function finalTexts(events: ModelEvent[], ids: string[]): Map<string, string> {
  const texts = new Map<string, string>();
  const left = [...ids];
  let message: { id: string; places: number[] } | null = null;
  for (const event of events) {
    if (event.type === "block_start" && event.block !== "text") message = null;
    if (event.type !== "text_delta") continue;
    message ??= { id: left.shift() ?? assert.fail("a message without an id"), places: [] };
    if (!message.places.includes(event.index)) message.places.push(event.index);
    const key = `${message.id} ${message.places.indexOf(event.index)}`;
    texts.set(key, (texts.get(key) ?? "") + event.text);
  }
  return texts;
}

test("whatever is lost, late or shed on the way, a client has a prefix of each text, cut at no character", async () => {
  const fate = fc.constantFrom("sent", "sent", "sent", "sent", "lost", "late");
  const property = fc.asyncProperty(
    fc.array(block, { minLength: 1, maxLength: 4 }),
    fc.array(fate, { maxLength: 60 }),
    fc.array(fc.boolean(), { maxLength: 20 }),
    async (blocks, fates, busy) => {
      const payloads: string[] = [];
      const here = createPreviews(async (payload) => {
        payloads.push(payload);
      });
      const there = createPreviews(async () => {});
      try {
        here.heard(`want ${sessionId}`);
        const { filter, shown } = filtered(both, () => busy.shift() !== false);
        there.watch(sessionId, filter.hear);
        let ids = 0;
        const preview = startPreview(
          () => `sevt_${++ids}`,
          (part, at) => here.publish(sessionId, { thread_id: threadId, seq: 10, at, preview: part }),
        );
        const events = eventsOf(blocks);
        for (const event of events) {
          preview.take(event);
          if (busy.shift()) here.flush(sessionId);
        }
        here.flush(sessionId);
        await new Promise((resolve) => setImmediate(resolve));
        const late: string[] = [];
        for (const payload of payloads) {
          assert.ok(Buffer.byteLength(payload) < 4_096, "too long for a notification");
          const fate = fates.shift() ?? "sent";
          if (fate === "late") late.push(payload);
          else if (fate === "sent") there.heard(payload);
        }
        for (const payload of late) there.heard(payload);

        const final = finalTexts(events, preview.ids.messages);
        for (const [key, text] of textsOf(shown)) {
          const whole = final.get(key) ?? "";
          assert.ok(whole.startsWith(text), `${key}: ${JSON.stringify(text)} is no prefix`);
          const around = whole.slice(text.length - 1, text.length + 1);
          assert.doesNotMatch(around, /^[\ud800-\udbff][\udc00-\udfff]/, "a character was cut");
        }
        const started = shown.flatMap((part) => (part.type === "event_start" ? [part.event.id] : []));
        assert.equal(new Set(started).size, started.length, "an event was started twice");
        for (const part of shown) {
          if (part.type !== "event_delta") continue;
          assert.ok(started.includes(part.event_id), "a delta of an event that was not started");
        }
      } finally {
        here.close();
        there.close();
      }
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test("nothing is said to other processes while none of them asks, or about what nobody looks at any more", () => {
  const said: string[] = [];
  const previews = createPreviews(async (payload) => {
    said.push(payload);
  });
  previews.publish(sessionId, start("a"));
  previews.flush(sessionId);
  assert.deepEqual(said, []);
  previews.close();
});

test("who asks hears all that is watched, and several who ask at once hear it once, in few notifications", async () => {
  const said: string[] = [];
  const streams = createPreviews(async (payload) => {
    said.push(payload);
  });
  const shown: string[] = [];
  const brain = createPreviews(async (payload) => {
    shown.push(payload);
  });
  const ids = Array.from({ length: 500 }, () => newId("session"));
  const [closed] = ids.map((id) => streams.watch(id, () => {}));
  closed?.close();
  const watched = ids.slice(1);
  said.length = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    for (let n = 0; n < 3; n += 1) streams.heard("ask");
    mock.timers.tick(limits.preview_answer_ms);
    assert.ok(said.length < watched.length / 50, `${said.length} notifications`);
    for (const payload of said) assert.ok(Buffer.byteLength(payload) < 4_096, "too long for a notification");
    for (const payload of said) brain.heard(payload);
    for (const id of ids) brain.publish(id, start(id));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      shown.map((payload) => payload.split(" ")[1]),
      watched,
    );
    const once = [...said];
    streams.heard("ask");
    mock.timers.tick(limits.preview_answer_ms);
    assert.deepEqual(said, [...once, ...once], "the next one who asks is answered, too");
  } finally {
    mock.timers.reset();
    streams.close();
    brain.close();
  }
});

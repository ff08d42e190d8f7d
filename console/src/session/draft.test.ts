import assert from "node:assert/strict";
import { test } from "node:test";
import { blockOf, changed, emptyDraft, isEmpty, sent } from "./draft.ts";

const draft = { ...emptyDraft, text: "Look at this." };

test("what is sent again without a change has the key that it had, and what was changed has another", () => {
  const first = sent(draft, false, 1);
  assert.deepEqual(first.events, [
    { type: "user.message", content: [{ type: "text", text: "Look at this." }] },
  ]);
  assert.equal(sent(first.draft, false, 2).draft.sending?.key, first.draft.sending?.key);
  assert.notEqual(sent(first.draft, true, 2).draft.sending?.key, first.draft.sending?.key);
  const other = sent(changed(first.draft, { text: "Look." }), false, 3);
  assert.notEqual(other.draft.sending?.key, first.draft.sending?.key);
});

test("files are blocks before the text, and need none", () => {
  const files = [
    { id: "file_1", name: "a.png", block: "image" as const },
    { id: "file_2", name: "b.txt", block: "document" as const },
  ];
  const { events } = sent({ ...emptyDraft, files }, true, 1);
  assert.deepEqual(events, [
    { type: "user.interrupt" },
    {
      type: "user.message",
      content: [
        { type: "image", source: { type: "file", file_id: "file_1" } },
        { type: "document", source: { type: "file", file_id: "file_2" }, title: "b.txt" },
      ],
    },
  ]);
  assert.equal(isEmpty({ ...emptyDraft, files }), false);
  assert.equal(isEmpty({ ...emptyDraft, text: " \n" }), true);
});

test("a model is shown pictures that it can see, and texts", () => {
  const shown = {
    "image/png": "image",
    "image/svg+xml": null,
    "text/html; charset=utf-8": "document",
    "application/pdf": "document",
    "application/zip": null,
  };
  for (const [mime_type, block] of Object.entries(shown)) assert.equal(blockOf({ mime_type }), block);
});

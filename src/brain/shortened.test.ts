import assert from "node:assert/strict";
import { test } from "node:test";
import { type BodyOf, draft, type Entry, type EntryType } from "../log/entry.ts";
import type { ModelMessage } from "../models/model.ts";
import { fold } from "./fold.ts";
import { emptyState, newThread, type State } from "./state.ts";

const url = "https://a.example/page";

function stateWithResult(): State {
  const state = emptyState();
  state.threads.set("t", {
    ...newThread("t"),
    messages: [
      { role: "user", content: [{ type: "text", text: "Look it up" }] },
      { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "web_search", input: {} }] },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: [{ type: "text", text: url }],
            is_error: false,
          },
        ],
      },
      { role: "assistant", content: [{ type: "text", text: "Found." }] },
      ...["And then?", "And then?", "And then?"].flatMap((text): ModelMessage[] => [
        { role: "user", content: [{ type: "text", text }] },
        { role: "assistant", content: [{ type: "text", text: "That is all." }] },
      ]),
    ],
  });
  return state;
}

function entryOf<T extends EntryType>(type: T, body: BodyOf<T>): Entry {
  const made = draft(type, { id: "sevt_1", thread_id: "t", audience: "internal" }, body);
  return { ...made, seq: 1, session_id: "s", created_at: "2026-01-01T00:00:00Z" };
}

function after<T extends "compaction" | "results_cleared">(type: T, body: BodyOf<T>) {
  const thread = fold([entryOf(type, body)], stateWithResult()).threads.get("t");
  assert.ok(!JSON.stringify(thread?.messages).includes(url));
  return thread?.shown_urls;
}

test("what results have shown is remembered when they go", () => {
  const shown = [{ tool: "web_search", url }];
  assert.deepEqual(after("compaction", { reader: 1, request_id: "r", summary: "Notes." }), shown);
  assert.deepEqual(after("results_cleared", { reader: 1, vendor_ids: ["toolu_1"] }), shown);
});

test("a summary brings no image back that the provider has refused, and nothing is counted behind it", () => {
  const image = { type: "image" as const, source: { type: "url" as const, url } };
  const calls = (id: string): ModelMessage => ({
    role: "assistant",
    content: [{ type: "tool_use", id, name: "bash", input: {} }],
  });
  const result = (id: string): ModelMessage => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: id, content: [], is_error: false }],
  });
  const state = emptyState();
  state.threads.set("t", {
    ...newThread("t"),
    messages: [{ role: "user", content: [image] }, calls("a"), result("a"), calls("b"), result("b")],
    newest_user: [image],
    counted_tokens: 1_000,
  });
  const failed = entryOf("turn_failed", { reader: 1, rejected: true });
  const compaction = entryOf("compaction", { reader: 1, request_id: "r", summary: "Notes." });
  const made = fold([compaction], state).threads.get("t");
  assert.match(JSON.stringify(made?.messages), /"type":"image"/);
  assert.equal(made?.counted_tokens, null);
  const without = fold([failed, compaction], state).threads.get("t");
  assert.doesNotMatch(JSON.stringify(without?.messages), /"type":"image"/);
  assert.match(JSON.stringify(without?.messages), /The image was left out/);
});

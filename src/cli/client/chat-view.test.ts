import assert from "node:assert/strict";
import { test } from "node:test";
import type { BetaManagedAgentsStreamSessionEvents as StreamEvent } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { chatView } from "./chat-view.ts";

const processed_at = "2026-10-21T10:00:00.000Z";

test("words are written once, however they are cut, and nothing of them moves the cursor", () => {
  let drawn = "";
  const view = chatView({ write: (text: string) => (drawn += text) });
  const text = "a 😀\u001b[2J\u202eb";
  const id = "sevt_1";
  view.show({ type: "event_start", event: { type: "agent.message", id } } as StreamEvent);
  for (const part of text.slice(0, -1).split(""))
    view.show({
      type: "event_delta",
      event_id: id,
      delta: { type: "content_delta", index: 0, content: { type: "text", text: part } },
    } as StreamEvent);
  assert.equal(drawn, "a 😀␛[2J<U+202E>");
  view.show({
    type: "agent.message",
    id,
    content: [
      { type: "text", text },
      { type: "text", text: "and more" },
    ],
    processed_at,
  } as StreamEvent);
  assert.equal(drawn, "a 😀␛[2J<U+202E>b\nand more\n");
});

test("an answer that breaks off ends its line before the next one begins", () => {
  let drawn = "";
  const view = chatView({ write: (text: string) => (drawn += text) });
  for (const id of ["sevt_1", "sevt_2"]) {
    view.show({ type: "event_start", event: { type: "agent.message", id } } as StreamEvent);
    const delta = { type: "content_delta", index: 0, content: { type: "text", text: "so far" } };
    view.show({ type: "event_delta", event_id: id, delta } as StreamEvent);
  }
  const content = [{ type: "text", text: "so far, so good" }];
  view.show({ type: "agent.message", id: "sevt_2", content, processed_at } as StreamEvent);
  view.show({ type: "span.model_request_end" } as StreamEvent);
  assert.equal(drawn, "so far…\nso far, so good\n");
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../limits.ts";
import type { ContentBlock, ModelMessage, UserBlock } from "../models/model.ts";
import { blockTokens } from "../models/token-estimate.ts";
import { clearable, withoutResults } from "./compaction.ts";
import { contextTokens } from "./context-size.ts";
import { newThread, type Thread } from "./state.ts";

const text = (chars: number) => ({ type: "text" as const, text: "x".repeat(chars) });
const base64 = (media_type: string, chars: number) => ({
  type: "base64" as const,
  media_type,
  data: "x".repeat(chars),
});
const user = (...content: UserBlock[]): ModelMessage => ({ role: "user", content });

describe("a guess of the tokens", () => {
  const cases: [Parameters<typeof blockTokens>[0], number][] = [
    [text(300), 100],
    [{ type: "image", source: base64("image/png", 1_000_000) }, 1_600],
    [{ type: "document", source: { type: "text", media_type: "text/plain", data: "x".repeat(30) } }, 10],
    [{ type: "document", source: { type: "url", url: "https://a.example/a.pdf" } }, 25_000],
    // 75,000 bytes: two pages.
    [{ type: "document", source: base64("application/pdf", 100_000) }, 5_000],
    [{ type: "search_result", title: "", source: "", content: ["xxx", "xxxxxx"], citations: true }, 3],
    [{ type: "tool_result", tool_use_id: "t", content: [text(300), text(30)], is_error: false }, 110],
    [{ type: "thinking", thinking: "x".repeat(30), signature: null }, 10],
    [{ type: "redacted_thinking", data: "x".repeat(60) }, 20],
    [{ type: "tool_use", id: "t", name: "n", input: { a: "x".repeat(22) } }, 10],
  ];
  for (const [block, tokens] of cases) {
    const source = "source" in block && typeof block.source === "object" ? ` (${block.source.type})` : "";
    test(`${block.type}${source}`, () => assert.equal(blockTokens(block), tokens));
  }

  const messages = [user(text(300)), { role: "assistant" as const, content: [text(300)] }, user(text(30))];
  const request = { system: "x".repeat(28), tools: [] };

  test("is for what the model has not counted", () => {
    assert.equal(contextTokens({ ...newThread("t"), messages, counted_tokens: 5_000 }, request), 5_010);
  });

  test("is for all of it, what stands before it too, where nothing was counted", () => {
    assert.equal(contextTokens({ ...newThread("t"), messages }, request), 10 + 100 + 100 + 10);
  });
});

describe("old results", () => {
  const result = (id: string, ...content: ContentBlock[]): ModelMessage =>
    user({ type: "tool_result", tool_use_id: id, content, is_error: false });
  const large = text(limits.clear_result_tokens_min * 3);
  const thread: Thread = {
    ...newThread("t"),
    messages: [
      user(large),
      result("small", text(30)),
      result("large", large),
      ...Array.from({ length: limits.clear_rounds_kept }, () => result("new", large)),
    ],
  };
  const freed = limits.clear_result_tokens_min;

  test("are cleared where that makes enough room, the large ones alone", () => {
    assert.deepEqual(clearable(thread, 10_000, 10_000 - freed), ["large"]);
    assert.equal(clearable(thread, 10_000, 10_000 - freed - 1), null);
  });

  test("are not there in a short conversation", () => {
    const { messages } = thread;
    assert.deepEqual(clearable({ ...thread, messages: messages.slice(-limits.clear_rounds_kept) }, 1, 1), []);
    assert.deepEqual(clearable({ ...thread, messages: messages.slice(-1) }, 1, 1), []);
  });

  test("leave a word of them, and it is known how much went", () => {
    const { messages, freed: gone } = withoutResults(thread.messages, ["large"]);
    assert.equal(gone, freed);
    assert.match(JSON.stringify(messages[2]), /"tool_use_id":"large".*was cleared to make room/);
    assert.deepEqual(messages.toSpliced(2, 1), thread.messages.toSpliced(2, 1));
  });
});

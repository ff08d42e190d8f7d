import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { BlobMissing } from "../files/store.ts";
import type { ContentBlock, ModelMessage, ModelRequest, Models } from "../models/model.ts";
import { callModel } from "./call-model.ts";
import { createStoredContents } from "./stored-contents.ts";
import { never, says } from "./testing.ts";

/** A store of contents that are their own hashes, and what was read of it. */
function store(missing: string[] = []) {
  const read: string[] = [];
  const open = async (sha256: string) => {
    if (missing.includes(sha256)) throw new BlobMissing(sha256);
    read.push(sha256);
    // In pieces that are no whole numbers of base64's groups.
    return Readable.from([...sha256].map((letter) => Buffer.from(letter)));
  };
  return { read, open };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const stored = (
  sha256: string,
  type: "image" | "document" = "image",
  chars = base64(sha256).length,
): ContentBlock => ({
  type,
  source: {
    type: "base64",
    media_type: type === "image" ? "image/png" : "text/plain",
    data: "",
    stored: { sha256, chars, large: false },
  },
});
const whole = (text: string, type: "image" | "document" = "image"): ContentBlock => ({
  type,
  source: { type: "base64", media_type: type === "image" ? "image/png" : "text/plain", data: base64(text) },
});
const user = (...content: ContentBlock[]): ModelMessage => ({ role: "user", content });
const requestOf = (...messages: ModelMessage[]): ModelRequest => ({
  model: "m",
  effort: null,
  speed: "standard",
  system: "",
  tools: [],
  messages,
  attempt: 0,
});
const result = (...content: ContentBlock[]): ModelMessage => ({
  role: "user",
  content: [{ type: "tool_result", tool_use_id: "t", content, is_error: false }],
});

describe("what a conversation has in the file store", () => {
  test("is put in wherever it stands, and nothing else is changed", async () => {
    const { open } = store();
    const text = user({ type: "text", text: "a" });
    const request = requestOf(user(stored("one"), whole("two")), text, result(stored("three", "document")));
    const before = JSON.stringify(request);
    const { messages } = await createStoredContents(open, 1_000).filled(request);
    assert.deepEqual(messages, [user(whole("one"), whole("two")), text, result(whole("three", "document"))]);
    assert.equal(JSON.stringify(request), before);
    const plain = requestOf(text);
    assert.equal(await createStoredContents(open, 1_000).filled(plain), plain);
  });

  test("is read once for as long as there is room, and the longest unused goes first", async () => {
    const { open, read } = store();
    const contents = createStoredContents(open, 2 * base64("one").length);
    const ask = (...hashes: string[]) =>
      contents.filled(requestOf(user(...hashes.map((hash) => stored(hash)))));
    await ask("one", "two", "one");
    await ask("one");
    assert.deepEqual(read, ["one", "two"]);
    await ask("six");
    await ask("one", "six");
    assert.deepEqual(read, ["one", "two", "six"]);
    await ask("two");
    assert.deepEqual(read, ["one", "two", "six", "two"]);
    await ask("longer than there is room for");
    await ask("longer than there is room for");
    assert.equal(read.length, 6);
  });

  test("is not read where there is too much for one request: the oldest gives way", async () => {
    const { open, read } = store();
    const half = 13 << 20;
    const answer: ModelMessage = { role: "assistant", content: [{ type: "text", text: "I see." }] };
    const request = requestOf(user(stored("old", "image", half)), answer, user(stored("new", "image", half)));
    const { messages } = await createStoredContents(open, 1_000).filled(request);
    assert.deepEqual(read, ["new"]);
    assert.deepEqual(messages.at(-1), user(whole("new")));
    assert.match(JSON.stringify(messages[0]), /was here is left out/);
  });

  test("is a word about it where the store has it no more", async () => {
    const { open } = store(["gone"]);
    const { messages } = await createStoredContents(open, 1_000).filled(requestOf(user(stored("gone"))));
    assert.match(
      JSON.stringify(messages),
      /The image that was here is not in the server's file store any more/,
    );
  });

  test("is asked for again later where the store does not answer", async () => {
    const asked: ModelRequest[] = [];
    const models: Pick<Models, "find"> = {
      find: () => ({
        model: {
          async *stream(request) {
            asked.push(request);
            yield* says("Hello.");
          },
        },
      }),
    };
    const { filled } = createStoredContents(() => Promise.reject(new Error("/secret/path")), 1_000);
    const events = await Array.fromAsync(
      callModel(models as Models, requestOf(user(stored("x"))), never, filled),
    );
    assert.deepEqual(asked, []);
    const [event] = events;
    assert.ok(events.length === 1 && event?.type === "failed" && event.failure.retryable);
    assert.doesNotMatch(event.failure.message, /secret/);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ContentBlock, ModelMessage, UserBlock } from "../models/model.ts";
import { addSystemTexts, addUserBlocks, contentForModel, leaveOutMedia } from "./conversation.ts";

const text = (said: string) => ({ type: "text" as const, text: said });
const user = (...content: UserBlock[]): ModelMessage => ({ role: "user", content });
const system = (...texts: string[]): ModelMessage => ({ role: "system", content: texts.map(text) });
const assistant: ModelMessage = { role: "assistant", content: [text("Yes.")] };

test("what the user says in a row is one message, before the system text that came with it", () => {
  const messages: ModelMessage[] = [];
  addUserBlocks(messages, [text("a")]);
  addUserBlocks(messages, [text("b")]);
  const [before] = messages;
  addSystemTexts(messages, ["s", ""]);
  addSystemTexts(messages, ["t"]);
  addSystemTexts(messages, [""]);
  addUserBlocks(messages, [text("c")]);
  assert.deepEqual(messages, [user(text("a"), text("b"), text("c")), system("s", "t")]);
  assert.deepEqual(before, user(text("a"), text("b")), "a message was changed");
  messages.push(assistant);
  addSystemTexts(messages, [""]);
  addUserBlocks(messages, [text("d")]);
  assert.deepEqual(messages.slice(2), [assistant, user(text("d"))]);
});

describe("media that the provider refuses", () => {
  const url = { type: "url" as const, url: "https://a.example/" };
  const image: ContentBlock = { type: "image", source: url };
  const document: ContentBlock = { type: "document", source: url };
  const word = (kind: string) => text(`[The ${kind} was left out: the model's provider refused it.]`);
  const result = (...content: ContentBlock[]): UserBlock => ({
    type: "tool_result",
    tool_use_id: "t",
    content,
    is_error: false,
  });

  test("are left out of the newest message, in results too", () => {
    const messages = [user(image), assistant, user(result(text("a"), document), image), system("s")];
    leaveOutMedia(messages);
    assert.deepEqual(messages, [
      user(image),
      assistant,
      user(result(text("a"), word("document")), word("image")),
      system("s"),
    ]);
  });

  test("are left out of the newest message, where only its results have some", () => {
    const messages = [user(image), assistant, user(result(image), text("a"))];
    leaveOutMedia(messages);
    assert.deepEqual(messages, [user(image), assistant, user(result(word("image")), text("a"))]);
  });

  test("are left out everywhere where the newest message has none", () => {
    const messages = [user(image, document), assistant, user(text("a"))];
    leaveOutMedia(messages);
    assert.deepEqual(messages, [user(word("image"), word("document")), assistant, user(text("a"))]);
  });
});

test("what clients send is what the model sees", () => {
  const source = { type: "url" as const, url: "https://a.example/" };
  assert.deepEqual(contentForModel(text(""), {}), []);
  assert.deepEqual(contentForModel({ type: "document", source }, {}), [
    { type: "document", source, title: null, context: null },
  ]);
  const found = { type: "search_result" as const, title: "T", source: "S" };
  assert.deepEqual(
    contentForModel({ ...found, content: [text("a"), text("b")], citations: { enabled: true } }, {}),
    [{ ...found, content: ["a", "b"], citations: true }],
  );
});

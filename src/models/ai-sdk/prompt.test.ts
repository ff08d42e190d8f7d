import assert from "node:assert/strict";
import { test } from "node:test";
import { userSays } from "../model.spec.ts";
import type { AssistantBlock, ModelMessage } from "../model.ts";
import { dialectOf } from "./dialects.ts";
import { type Accepts, promptOf } from "./prompt.ts";

const plain: Accepts = {
  system_messages: "user_text",
  result_media: "after",
  pdf_urls: false,
  callId: (id) => id,
};

const prompt = (messages: ModelMessage[], accepts: Partial<Accepts> = {}, system = "") =>
  promptOf({ system, messages }, "ours", { ...plain, ...accepts });

const assistant = (...content: AssistantBlock[]): ModelMessage => ({ role: "assistant", content });
const said = (text: string) => ({ role: "user", content: [{ type: "text", text }] });

test("thoughts and seals go back to the provider that made them, and to nobody else", () => {
  const vendorOf = (provider: string) => ({ provider, data: '{"x":{"seal":"s"}}' });
  const blocks = (provider: string): AssistantBlock[] => [
    { type: "thinking", thinking: "hm", signature: null, vendor: vendorOf(provider) },
    { type: "text", text: "I look.", vendor: vendorOf(provider) },
    { type: "tool_use", id: "c1", name: "bash", input: {}, vendor: vendorOf(provider) },
  ];
  const providerOptions = { x: { seal: "s" } };
  const call = { type: "tool-call", toolCallId: "c1", toolName: "bash", input: {} };
  assert.deepEqual(prompt([assistant(...blocks("ours"))]), [
    {
      role: "assistant",
      content: [
        { type: "reasoning", text: "hm", providerOptions },
        { type: "text", text: "I look.", providerOptions },
        { ...call, providerOptions },
      ],
    },
  ]);
  assert.deepEqual(prompt([assistant(...blocks("theirs"))]), [
    { role: "assistant", content: [{ type: "text", text: "I look." }, call] },
  ]);
  const claudes: AssistantBlock[] = [
    { type: "thinking", thinking: "hm", signature: "sig" },
    { type: "redacted_thinking", data: "opaque" },
    { type: "text", text: "Yes." },
  ];
  assert.deepEqual(prompt([assistant(...claudes)]), [
    { role: "assistant", content: [{ type: "text", text: "Yes." }] },
  ]);
});

test("an answer that was cut while it thought leaves nothing behind, and the roles that meet are joined", () => {
  const vendor = { provider: "ours", data: null };
  assert.deepEqual(
    prompt([
      userSays("one"),
      assistant({ type: "thinking", thinking: "hm", signature: null, vendor }),
      userSays("two"),
    ]),
    [
      {
        role: "user",
        content: [
          { type: "text", text: "one" },
          { type: "text", text: "two" },
        ],
      },
    ],
  );
});

test("results stand before what the user says, wherever they stood", () => {
  const [, results, user] = prompt([
    assistant({ type: "tool_use", id: "c1", name: "bash", input: {} }),
    {
      role: "user",
      content: [
        { type: "text", text: "hurry" },
        { type: "tool_result", tool_use_id: "c1", content: [], is_error: false },
      ],
    },
  ]);
  assert.deepEqual(results, {
    role: "tool",
    content: [
      { type: "tool-result", toolCallId: "c1", toolName: "bash", output: { type: "text", value: "" } },
    ],
  });
  assert.deepEqual(user, said("hurry"));
});

test("system text is kept where the vendor takes it, and empty text is not sent", () => {
  const messages: ModelMessage[] = [
    userSays("go", " "),
    { role: "system", content: [{ type: "text", text: "Be quick." }] },
  ];
  assert.deepEqual(prompt(messages, { system_messages: "kept" }, "Be kind."), [
    { role: "system", content: "Be kind." },
    said("go"),
    { role: "system", content: "Be quick." },
  ]);
});

test("a document that a vendor cannot fetch is named", () => {
  const document: ModelMessage = {
    role: "user",
    content: [{ type: "document", source: { type: "url", url: "https://example.com/a.pdf" } }],
  };
  assert.deepEqual(prompt([document]), [
    said("[A document that cannot be shown here: https://example.com/a.pdf]"),
  ]);
  const [fetched] = prompt([document], { pdf_urls: true });
  assert.ok(fetched?.role === "user" && fetched.content[0]?.type === "file");
  assert.equal(fetched.content[0].mediaType, "application/pdf");
});

test("ids of other vendors are made into such as Mistral takes, the same each time", () => {
  const { callId } = dialectOf("mistral", { api_key: "k", base_url: "http://127.0.0.1:9", fetch });
  assert.equal(callId("a1B2c3D4e"), "a1B2c3D4e");
  const [one, other] = [callId("toolu_1"), callId("toolu_2")];
  assert.match(one, /^[a-zA-Z0-9]{9}$/);
  assert.notEqual(one, other);
  assert.equal(callId("toolu_1"), one);
});

test("each request of a session extends the one before it", () => {
  const turns: ModelMessage[] = [
    userSays("one"),
    assistant({ type: "tool_use", id: "c1", name: "bash", input: { command: "ls" } }),
    {
      role: "user",
      content: [
        {
          type: "tool_result",
          tool_use_id: "c1",
          content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "aaaa" } }],
          is_error: false,
        },
      ],
    },
    { role: "system", content: [{ type: "text", text: "Be quick." }] },
    assistant({ type: "text", text: "Done." }),
    userSays("two"),
  ];
  const whole = prompt(turns);
  for (const length of [1, 4]) {
    const part = prompt(turns.slice(0, length));
    assert.deepEqual(whole.slice(0, part.length), part);
  }
});

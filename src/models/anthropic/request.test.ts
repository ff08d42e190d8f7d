import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { requestOf, userSays } from "../model.spec.ts";
import type { AssistantBlock, ContentBlock, ModelMessage, ModelRequest, UserBlock } from "../model.ts";
import { messageParams } from "./request.ts";

type SearchResult = Extract<ContentBlock, { type: "search_result" }>;

const cache_control = { type: "ephemeral" };
const modelId = "claude-opus-5-5";

const sent = (...messages: ModelMessage[]) => messageParams(requestOf(modelId, messages)).messages;
const assistant = (...content: AssistantBlock[]): ModelMessage => ({ role: "assistant", content });
const user = (...content: UserBlock[]): ModelMessage => ({ role: "user", content });

test("a whole request", () => {
  const request: ModelRequest = {
    model: `anthropic/${modelId}`,
    effort: "high",
    speed: "fast",
    system: "Be brief.",
    tools: [
      { name: "bash", description: "Runs.", input_schema: { type: "object", properties: { command: {} } } },
      { name: "read", description: "Reads.", input_schema: { type: "object" } },
    ],
    messages: [
      userSays("first"),
      assistant(
        { type: "thinking", thinking: "hm", signature: "sig" },
        { type: "redacted_thinking", data: "opaque" },
        { type: "text", text: "I look." },
        { type: "tool_use", id: "toolu_1", name: "bash", input: { command: "ls" } },
        { type: "tool_use", id: "toolu_2", name: "bash", input: {}, malformed: "{oops" },
      ),
      user(
        {
          type: "tool_result",
          tool_use_id: "toolu_1",
          content: [{ type: "text", text: "a" }],
          is_error: false,
        },
        { type: "tool_result", tool_use_id: "toolu_2", content: [], is_error: false },
        { type: "text", text: "go on" },
      ),
    ],
    attempt: 3,
  };
  assert.deepEqual(messageParams(request), {
    model: modelId,
    max_tokens: 128_000,
    stream: true,
    thinking: { type: "adaptive" },
    output_config: { effort: "high" },
    speed: "fast",
    tools: [
      { name: "bash", description: "Runs.", input_schema: { type: "object", properties: { command: {} } } },
      { name: "read", description: "Reads.", input_schema: { type: "object" }, cache_control },
    ],
    system: [{ type: "text", text: "Be brief.", cache_control }],
    messages: [
      { role: "user", content: [{ type: "text", text: "first", cache_control }] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "sig" },
          { type: "redacted_thinking", data: "opaque" },
          { type: "text", text: "I look." },
          { type: "tool_use", id: "toolu_1", name: "bash", input: { command: "ls" } },
          { type: "tool_use", id: "toolu_2", name: "bash", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: [{ type: "text", text: "a" }],
            is_error: false,
          },
          { type: "tool_result", tool_use_id: "toolu_2", content: [], is_error: false },
          { type: "text", text: "go on", cache_control },
        ],
      },
    ],
  });
});

test("what is not there is not sent", () => {
  const bare = { ...requestOf("claude-haiku-4-5", [userSays("x")]), system: "", tools: [] };
  assert.deepEqual(Object.keys(messageParams(bare)), ["model", "max_tokens", "stream", "messages"]);
});

describe("what each model takes", () => {
  const traits: [string, number, boolean, boolean][] = [
    ["claude-opus-5-5", 128_000, true, true],
    ["claude-opus-5", 128_000, true, true],
    ["claude-fable-5-2", 128_000, true, true],
    ["claude-sonnet-4-6", 128_000, true, true],
    ["claude-sonnet-7-20290101", 128_000, true, true],
    ["claude-opus-4-5-20251101", 64_000, false, true],
    ["claude-sonnet-4-5", 64_000, false, false],
    ["claude-haiku-4-5-20251001", 64_000, false, false],
    ["claude-opus-4-20250514", 32_000, false, false],
    ["claude-mythos-preview", 32_000, false, true],
    ["some-gateway-model", 32_000, false, true],
  ];
  for (const [model, tokens, adaptive, effort] of traits) {
    test(model, () => {
      const params = messageParams({ ...requestOf(model, [userSays("x")]), effort: "low" });
      assert.equal(params.max_tokens, tokens);
      assert.deepEqual(params.thinking, adaptive ? { type: "adaptive" } : undefined);
      assert.deepEqual(params.output_config, effort ? { effort: "low" } : undefined);
    });
  }
});

describe("what the API would refuse is not sent", () => {
  test("text without a visible character", () => {
    assert.deepEqual(
      sent(
        user({ type: "text", text: "" }, { type: "text", text: "x" }, { type: "text", text: " \n" }),
        assistant({ type: "text", text: "" }),
        user({
          type: "tool_result",
          tool_use_id: "t",
          content: [{ type: "text", text: "\n" }],
          is_error: false,
        }),
      ),
      [
        { role: "user", content: [{ type: "text", text: "x" }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "t", content: [], is_error: false, cache_control }],
        },
      ],
    );
  });

  test("thoughts without a signature, or at the end of an answer", () => {
    assert.deepEqual(
      sent(
        userSays("x"),
        assistant(
          { type: "thinking", thinking: "unsigned", signature: null },
          { type: "text", text: "y" },
          { type: "thinking", thinking: "cut", signature: "sig" },
        ),
      )[1],
      { role: "assistant", content: [{ type: "text", text: "y" }] },
    );
  });

  test("half a surrogate pair", () => {
    const body = JSON.stringify(
      sent(
        userSays("a\ud83d"),
        assistant({ type: "tool_use", id: "t", name: "x", input: { "k\udc4b": ["\ud83d", 1, null] } }),
      ),
    );
    assert.ok(!/\\ud[89a-f]/i.test(body));
    assert.ok(body.includes('"a\ufffd"') && body.includes('"k\ufffd":["\ufffd",1,null]'));
  });
});

test("images and documents", () => {
  const [message] = sent(
    user(
      { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
      {
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: "AAAA" },
        title: "T",
      },
      {
        type: "document",
        source: { type: "base64", media_type: "text/csv", data: btoa("a,b") },
        context: null,
      },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "plain" } },
      { type: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
    ),
  );
  assert.deepEqual(message?.content, [
    { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
    { type: "document", source: { type: "base64", media_type: "application/pdf", data: "AAAA" }, title: "T" },
    { type: "document", source: { type: "text", media_type: "text/plain", data: "a,b" } },
    { type: "document", source: { type: "text", media_type: "text/plain", data: "plain" } },
    { type: "document", source: { type: "url", url: "https://example.com/a.pdf" }, cache_control },
  ]);
});

test("a document's title is cut where the API would refuse it", () => {
  const source = { type: "text", media_type: "text/plain", data: "plain" } as const;
  const [message] = sent(user({ type: "document", source, title: "t".repeat(501) }));
  assert.deepEqual(message?.content, [{ type: "document", source, title: "t".repeat(500), cache_control }]);
});

describe("the result of a call that failed", () => {
  const failed = (...content: ContentBlock[]) => {
    const [message] = sent(user({ type: "tool_result", tool_use_id: "t", content, is_error: true }));
    return message?.content[0];
  };
  const said = { type: "text", text: "The tool reported an error." };
  const result = { type: "tool_result", tool_use_id: "t", cache_control };

  test("says so, even if it says nothing else", () => {
    for (const content of [[], [{ type: "text", text: " \n" } as const]]) {
      assert.deepEqual(failed(...content), { ...result, content: [said], is_error: true });
    }
  });

  test("is text as it came, and with more than text an ordinary result that says so", () => {
    const text: ContentBlock = { type: "text", text: "no such city" };
    assert.deepEqual(failed(text), { ...result, content: [text], is_error: true });
    const image: ContentBlock = {
      type: "image",
      source: { type: "base64", media_type: "image/png", data: "AAAA" },
    };
    assert.deepEqual(failed(text, image), { ...result, content: [said, text, image], is_error: false });
  });
});

describe("a search result", () => {
  const found = (more: Partial<SearchResult> = {}): SearchResult => ({
    type: "search_result",
    title: "Cows",
    source: "https://example.com/cows",
    content: ["They graze.", " ", "They walk."],
    citations: true,
    ...more,
  });
  const results = (...content: ContentBlock[]) => {
    const [message] = sent(user({ type: "tool_result", tool_use_id: "t", content, is_error: false }));
    const block = message?.content[0];
    assert.ok(typeof block === "object" && block.type === "tool_result" && Array.isArray(block.content));
    return block.content;
  };
  const texts = [
    { type: "text", text: "They graze." },
    { type: "text", text: "They walk." },
  ];
  const asSent = {
    type: "search_result",
    title: "Cows",
    source: "https://example.com/cows",
    content: texts,
    citations: { enabled: true },
  };

  test("keeps its title, its source and its parts", () => {
    assert.deepEqual(results(found()), [asSent]);
  });

  test("without a title is known by its source, without a source by its title, without both it is text", () => {
    const { source, title } = asSent;
    assert.deepEqual(results(found({ title: "" })), [{ ...asSent, title: source }]);
    assert.deepEqual(results(found({ source: " " })), [{ ...asSent, source: title }]);
    assert.deepEqual(results(found({ source: "", title: "" })), texts);
  });

  test("without text is not sent", () => {
    assert.deepEqual(results(found({ content: [" "] }), found()), [asSent]);
  });

  test("is cited if the first of a request is, and so is what comes with it", () => {
    const off = { ...asSent, citations: { enabled: false } };
    assert.deepEqual(results(found(), found()), [asSent, asSent]);
    assert.deepEqual(results(found({ citations: false }), found()), [off, off]);
    assert.deepEqual(results(found(), found({ citations: false })), [asSent, asSent]);
    const document: ContentBlock = {
      type: "document",
      source: { type: "url", url: "https://example.com/a.pdf" },
    };
    const cited = { ...document, citations: { enabled: true } };
    assert.deepEqual(results(found(), document), [asSent, cited]);
    assert.deepEqual(results(document, found()), [document, off]);
    const [first, second] = sent(
      user({ type: "tool_result", tool_use_id: "t", content: [found()], is_error: false }),
      user(document),
    );
    assert.ok(JSON.stringify(first).includes('"citations":{"enabled":true}'));
    assert.ok(JSON.stringify(second).includes('"citations":{"enabled":true}'));
  });
});

test("each request extends the one before it byte for byte, marks aside", () => {
  const texts = fc.string({ unit: "binary", minLength: 1 });
  const turn = fc.record({
    asked: texts,
    thought: texts,
    said: texts,
    input: fc.dictionary(texts, fc.jsonValue()),
  });
  fc.assert(
    fc.property(fc.array(turn, { minLength: 2, maxLength: 6 }), (turns) => {
      const messages = turns.flatMap(({ asked, thought, said, input }) => [
        userSays(asked),
        assistant(
          { type: "thinking", thinking: thought, signature: "sig" },
          { type: "text", text: said },
          { type: "tool_use", id: "t", name: "x", input },
        ),
      ]);
      const bytes = (count: number) => {
        const request = structuredClone(requestOf(modelId, messages.slice(0, count)));
        return JSON.stringify(messageParams(request)).replaceAll(',"cache_control":{"type":"ephemeral"}', "");
      };
      for (let count = 1; count + 2 <= messages.length; count += 2) {
        assert.equal(bytes(count), bytes(count));
        assert.ok(bytes(count + 2).startsWith(bytes(count).slice(0, -"]}".length)));
      }
    }),
  );
});

test("never more than the four marks that the API allows", () => {
  const messages = Array.from({ length: 9 }, (_, i) =>
    i % 2 === 0 ? userSays("q") : assistant({ type: "text", text: "a" }),
  );
  const body = JSON.stringify(messageParams(requestOf(modelId, messages)));
  assert.equal(body.split("cache_control").length - 1, 4);
});

test("the marks stand at the end, and where the turn before ended", () => {
  const marked = (model: string, ...messages: ModelMessage[]) =>
    messageParams(requestOf(model, messages)).messages.flatMap(({ content }, i) =>
      JSON.stringify(content).includes("cache_control") ? [i] : [],
    );
  const called = assistant({ type: "tool_use", id: "t", name: "x", input: {} });
  const result = user({ type: "tool_result", tool_use_id: "t", content: [], is_error: false });
  const system: ModelMessage = { role: "system", content: [{ type: "text", text: "s" }] };
  const talk = [userSays("a"), called, result];
  assert.deepEqual(marked(modelId, userSays("a")), [0]);
  assert.deepEqual(marked(modelId, ...talk, called, result), [2, 4]);
  assert.deepEqual(marked(modelId, ...talk, system), [0, 2]);
  assert.deepEqual(marked(modelId, ...talk, system, called, result), [2, 5]);
  // Its text takes the place of a user's.
  assert.deepEqual(marked("claude-sonnet-4-6", ...talk, system), [0, 3]);
  assert.deepEqual(marked("claude-sonnet-4-6", ...talk, system, called, result), [3, 5]);
  // Nothing is left of an answer that was cut while it thought: two messages of the user are one turn.
  const thought = assistant({ type: "thinking", thinking: "hm", signature: "sig" });
  assert.deepEqual(marked(modelId, ...talk, thought, userSays("b")), [0, 3]);
});

describe("an answer in a form", () => {
  const answer = { name: "verdict" as const, schema: { type: "object" }, tokens_max: 500 };
  const asked = (model: string) =>
    messageParams({ ...requestOf(model, [userSays("?")]), answer, effort: "low" });

  test("is short, and held to its schema where the model can be", () => {
    const { max_tokens, output_config } = asked("claude-haiku-5-5");
    assert.equal(max_tokens, 500);
    assert.deepEqual(output_config, {
      effort: "low",
      format: { type: "json_schema", schema: answer.schema },
    });
    assert.deepEqual(asked("claude-haiku-4-5").output_config, {
      format: { type: "json_schema", schema: answer.schema },
    });
  });

  test("is only short where nothing is known of the model", () => {
    assert.deepEqual(asked("anthropic/some-gateway-model").output_config, { effort: "low" });
    assert.equal(asked("anthropic/some-gateway-model").max_tokens, 500);
  });
});

describe("system text within the conversation", () => {
  const system = (text: string): ModelMessage => ({ role: "system", content: [{ type: "text", text }] });
  const shape = (...messages: ModelMessage[]) =>
    sent(...messages).map(({ role, content }) => [
      role,
      ...(content as { text: string }[]).map(({ text }) => text),
    ]);
  const unfinished = assistant({ type: "thinking", thinking: "cut", signature: "sig" });

  test("stays where it is, and carries no mark", () => {
    const messages = sent(userSays("a"), system("s"), assistant({ type: "text", text: "b" }), userSays("c"));
    assert.deepEqual(messages[1], { role: "system", content: [{ type: "text", text: "s" }] });
    assert.deepEqual(
      messages.map(({ role }) => role),
      ["user", "system", "assistant", "user"],
    );
  });

  test("does not stand before a user's message when nothing was left of the answer between them", () => {
    assert.deepEqual(shape(userSays("a"), system("s"), unfinished, userSays("b")), [
      ["user", "a"],
      ["user", "b"],
      ["system", "s"],
    ]);
    assert.deepEqual(
      shape(userSays("a"), system("s"), unfinished, userSays("b"), system("t"), unfinished, userSays("c")),
      [
        ["user", "a"],
        ["user", "b"],
        ["user", "c"],
        ["system", "s", "t"],
      ],
    );
  });

  test("takes the place of a user's message of which nothing was left", () => {
    assert.deepEqual(shape(userSays(" "), system("s")), [["user", "s"]]);
    assert.deepEqual(
      shape(userSays("a"), assistant({ type: "text", text: "b" }), userSays(" "), system("s")),
      [
        ["user", "a"],
        ["assistant", "b"],
        ["user", "s"],
      ],
    );
  });
});

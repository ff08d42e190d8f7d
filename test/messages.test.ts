import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import type { ModelsFile } from "../src/config/models.ts";
import { wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { errorReply, textReply } from "./fakes/anthropic.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import type { WireAnswer } from "./fakes/wire.ts";
import { startTestServer } from "./harness/server.ts";

const fakes = new Map<string, FakeUpstream<Record<string, unknown>>>();
for (const { name } of allWired) fakes.set(name, await startFakeUpstream());
const providers = Object.fromEntries(
  [...fakes].map(([name, { url }]) => [
    name,
    { type: name, base_url: url, api_key: `key-of-${name}`, max_concurrency: 1 },
  ]),
) as ModelsFile["providers"];
const api = await startTestServer({
  models: {
    providers,
    aliases: { default: "claude-opus-5-5" },
    fallbacks: { "google/down": ["openai/gpt-5.2"], "claude-down": ["claude-up"] },
  },
});
const { client } = api;
after(async () => {
  await api.close();
  for (const fake of fakes.values()) await fake.close();
});

const fakeOf = (name: string) => fakes.get(name) ?? assert.fail(name);
const wireOf = (name: string) => allWired.find((wired) => wired.name === name) ?? assert.fail(name);
const lastOf = (name: string) => fakeOf(name).requests.at(-1) ?? assert.fail(name);

const weather: Anthropic.Tool = {
  name: "weather",
  description: "Tells the weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
};
const ask = (model: string, more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) => ({
  model,
  max_tokens: 500,
  messages: [{ role: "user" as const, content: "How is it in Oslo?" }],
  ...more,
});

const thoughtful: WireAnswer = {
  thinking: { pieces: ["I should ", "look."], sealed: "c2VhbGVk" },
  text: ["I ", "look: é👋"],
  calls: [
    { id: "callAfake", name: "weather", json: ['{"city":', '"Oslo"}'] },
    { id: "callBfake", name: "weather", json: ['{"city":"Be', 'rgen"}'] },
  ],
  usage: { input: 30, cached: 20, output: 7 },
};

/** What of a message is the same whoever wrote it. */
const shapeOf = ({ content, stop_reason }: Anthropic.Message) => ({
  stop_reason,
  text: content.flatMap((block) => (block.type === "text" ? [block.text] : [])),
  calls: content.flatMap((block) => (block.type === "tool_use" ? [[block.id, block.name, block.input]] : [])),
});
const expected = {
  stop_reason: "tool_use",
  text: ["I look: é👋"],
  calls: [
    ["callAfake", "weather", { city: "Oslo" }],
    ["callBfake", "weather", { city: "Bergen" }],
  ],
};

describe("a message, whoever writes it", () => {
  for (const { name, wire, modelId } of allWired) {
    const model = `${name}/${modelId}`;

    test(`${name}: streamed, and what it thought goes back to it`, async () => {
      fakeOf(name).reply(wholeReply(wire, thoughtful), plainReply(name, "Rain."));
      const events: Anthropic.RawMessageStreamEvent[] = [];
      const stream = client.messages.stream(ask(model, { tools: [weather], system: "Be brief." }));
      stream.on("streamEvent", (event) => events.push(event));
      const message = await stream.finalMessage();
      assert.deepEqual(shapeOf(message), expected);
      assertInOrder(events);
      assert.ok(events.some(({ type }) => type === "content_block_delta"));
      assert.ok(message.usage.output_tokens > 0 && message.usage.input_tokens > 0);

      const answered = await client.messages.create(
        ask(model, {
          tools: [weather],
          messages: [
            ...ask(model).messages,
            { role: "assistant", content: message.content as Anthropic.ContentBlockParam[] },
            {
              role: "user",
              content: [
                { type: "tool_result", tool_use_id: "callAfake", content: "wet" },
                { type: "tool_result", tool_use_id: "callBfake", content: "wetter", is_error: true },
              ],
            },
          ],
        }),
      );
      assert.deepEqual(shapeOf(answered), { stop_reason: "end_turn", text: ["Rain."], calls: [] });
      assert.equal(answered.model, name === "anthropic" ? answered.model : model);
      const sent = lastOf(name).text;
      assert.match(sent, /c2VhbGVk|I should look/);
      assert.ok(sent.includes("wetter") && !sent.includes("drover:"));
    });

    test(`${name}: whole`, async () => {
      fakeOf(name).reply(plainReply(name, "Rain."));
      const message = await client.messages.create(ask(model));
      assert.deepEqual([message.type, message.role, message.stop_sequence], ["message", "assistant", null]);
      assert.deepEqual(shapeOf(message), { stop_reason: "end_turn", text: ["Rain."], calls: [] });
      assert.match(message.id, /^msg_/);
    });
  }
});

/** To a request that wants no stream: Anthropic is then asked for none, the others always are. */
const plainReply = (name: string, text: string) =>
  name === "anthropic" ? wholeMessage(text) : wholeReply(wireOf(name).wire, { text: [text] });

const wholeMessage = (text: string) => ({
  headers: { "content-type": "application/json" },
  chunks: [
    JSON.stringify({
      id: "msg_upstream",
      type: "message",
      role: "assistant",
      model: "claude-opus-5-5",
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 1_000_000, output_tokens: 0 },
      of_the_future: true,
    }),
  ],
});

const failureOf = async (asking: Promise<unknown>) => {
  const error = await asking.then(
    () => assert.fail("it was answered"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Anthropic.APIError, String(error));
  return error;
};
const once = { maxRetries: 0 };

describe("what goes wrong", () => {
  const kinds = [
    ["overloaded", 529, "overloaded_error"],
    ["rate_limited", 429, "rate_limit_error"],
    ["unavailable", 502, "api_error"],
    ["authentication", 502, "api_error"],
    ["billing", 402, "billing_error"],
    ["rejected", 400, "invalid_request_error"],
    ["not_configured", 404, "not_found_error"],
  ] as const;
  for (const name of ["anthropic", "openai-compatible"]) {
    const model = `${name}/${wireOf(name).modelId}`;
    for (const [kind, status, type] of kinds) {
      for (const stream of [false, true]) {
        test(`${name} says ${kind}, ${stream ? "to a stream" : "to a request"}`, async () => {
          fakeOf(name).reply(
            wireOf(name).wire.error(kind, kind === "overloaded" ? { "retry-after-ms": "1500" } : {}),
          );
          const error = await failureOf(client.messages.create({ ...ask(model), stream }, once));
          assert.deepEqual([error.status, error.type], [status, type]);
          assert.match(error.message, /as ordered/);
          assert.doesNotMatch(error.message, /key-of-/);
          if (kind === "overloaded") assert.equal(error.headers?.get("retry-after"), "2");
          if (kind === "authentication") assert.equal(error.headers?.get("x-should-retry"), "false");
        });
      }
    }

    test(`${name} breaks off in the middle`, async () => {
      const begun = wireOf(name).wire.begun("It is");
      fakeOf(name).reply({ headers: { "content-type": "text/event-stream" }, chunks: [begun], end: "cut" });
      const told: string[] = [];
      const stream = client.messages.stream(ask(model), once).on("text", (text) => told.push(text));
      await assert.rejects(stream.finalMessage());
      assert.deepEqual(told, ["It is"]);
    });

    test(`${name} is asked no longer once the client has left, and its place is free`, async () => {
      const count = fakeOf(name).requests.length;
      const begun = wireOf(name).wire.begun("It is");
      const headers = { "content-type": "text/event-stream" };
      fakeOf(name).reply({ headers, chunks: [begun], end: "hang" }, plainReply(name, "Rain."));
      const stream = client.messages.stream(ask(model), once);
      stream.on("text", () => stream.abort());
      await assert.rejects(stream.finalMessage());
      assert.equal(await (await fakeOf(name).request(count)).ended, "closed");
      assert.equal((await client.messages.create(ask(model))).type, "message");
    });

    test(`${name} is asked no longer once the client that waits for all of it has left`, async () => {
      const count = fakeOf(name).requests.length;
      fakeOf(name).reply({
        headers: { "content-type": "text/event-stream" },
        chunks: [": \n\n"],
        end: "hang",
      });
      const leaving = new AbortController();
      const asking = client.messages.create(ask(model), { ...once, signal: leaving.signal });
      const sent = await fakeOf(name).request(count);
      leaving.abort();
      await assert.rejects(asking);
      assert.equal(await sent.ended, "closed");
    });
  }

  test("arguments that are no JSON object are told as an error", async () => {
    const { wire, modelId } = wireOf("openai-compatible");
    const call = { id: "callAfake", name: "weather", json: ['{"city'] };
    for (const stream of [false, true]) {
      fakeOf("openai-compatible").reply(wholeReply(wire, { calls: [call] }));
      const body = ask(`openai-compatible/${modelId}`, { tools: [weather] });
      const error = await failureOf(
        stream ? client.messages.stream(body, once).finalMessage() : client.messages.create(body, once),
      );
      assert.match(error.message, /weather with arguments that are not a JSON object/);
    }
  });

  test("a model that nobody serves", async () => {
    for (const model of ["nobody/x", "claudette"]) {
      const error = await failureOf(client.messages.create(ask(model)));
      assert.deepEqual([error.status, error.type], [404, "not_found_error"]);
      assert.match(error.message, new RegExp(model));
    }
  });

  test("a key for answers that are kept", async () => {
    const headers = { "idempotency-key": "once" };
    const error = await failureOf(client.messages.create(ask("simulated"), { ...once, headers }));
    assert.equal(error.status, 400);
    assert.match(error.message, /its answer may be a stream/);
  });

  test("a key that is none", async () => {
    const stranger = new Anthropic({ apiKey: "none", baseURL: api.url, maxRetries: 0 });
    assert.equal((await failureOf(stranger.messages.create(ask("simulated")))).status, 401);
  });
});

describe("a request for a model that speaks another language", () => {
  const text = (words: string) => ({ type: "text", text: words });
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["no messages", { messages: [] }, /messages/],
    ["no limit", { max_tokens: undefined }, /max_tokens: is required/],
    ["a server's tool", { tools: [{ type: "web_search_20250305", name: "web_search" }] }, /tools\.0\.type/],
    ["a container", { container: "container_1" }, /container: unknown field/],
    ["one call at a time", { tool_choice: { type: "auto", disable_parallel_tool_use: true } }, /tool_choice/],
    ["a tool that is not there", { tool_choice: { type: "tool", name: "x" } }, /tool_choice\.name/],
    [
      "an answer to go on with",
      {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
      },
      /must end with/,
    ],
    ["an answer first", { messages: [{ role: "assistant", content: "b" }] }, /messages\.0\.role/],
    [
      "a result without a call",
      { messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t" }] }] },
      /tool_use_id/,
    ],
    [
      "a file",
      {
        messages: [
          { role: "user", content: [{ type: "image", source: { type: "file", file_id: "file_1" } }] },
        ],
      },
      /messages\.0\.content\.0\.source/,
    ],
    [
      "citations",
      {
        messages: [
          {
            role: "user",
            content: [
              {
                type: "document",
                source: { type: "text", media_type: "text/plain", data: "x" },
                citations: { enabled: true },
              },
            ],
          },
        ],
      },
      /citations/,
    ],
    ["system text first", { messages: [{ role: "system", content: [text("a")] }] }, /messages\.0/],
    ["fast speed", { speed: "fast" }, /speed/],
  ];
  for (const [name, more, says] of cases) {
    test(`with ${name} is refused`, async () => {
      const count = fakeOf("mistral").requests.length;
      const body = { ...ask("mistral/x"), ...more } as Anthropic.MessageCreateParamsNonStreaming;
      const error = await failureOf(client.messages.create(body));
      assert.deepEqual([error.status, error.type], [400, "invalid_request_error"]);
      assert.match(error.message, says);
      assert.equal(fakeOf("mistral").requests.length, count);
    });
  }

  test("is refused where the vendor's own API has no place for a part of it", async () => {
    const body = ask("openai/gpt-5.2", { stop_sequences: ["END"] });
    fakeOf("openai").reply(wholeReply(wireOf("openai").wire, { text: ["x"] }));
    const error = await failureOf(client.messages.create(body));
    assert.equal(error.status, 400);
    assert.match(error.message, /stopSequences/);
  });

  test("carries all that it may", async () => {
    fakeOf("openai-compatible").reply(plainReply("openai-compatible", '{"wet":true}'));
    await client.messages.create({
      ...ask("openai-compatible/x"),
      system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
      messages: [
        { role: "user", content: "one" },
        { role: "user", content: [{ type: "text", text: "two" }] },
        { role: "system", content: "three" },
      ],
      max_tokens: 77,
      stop_sequences: ["END"],
      temperature: 0.5,
      top_p: 0.9,
      tools: [weather],
      tool_choice: { type: "any" },
      thinking: { type: "enabled", budget_tokens: 2_000 },
      output_config: { format: { type: "json_schema", schema: { type: "object" } } },
      metadata: { user_id: "u" },
    } as Anthropic.MessageCreateParamsNonStreaming);
    const { messages, ...sent } = lastOf("openai-compatible").body as Record<string, unknown> & {
      messages: unknown[];
    };
    assert.equal(sent.max_tokens, 77);
    assert.deepEqual(sent.stop, ["END"]);
    assert.deepEqual(
      [sent.temperature, sent.top_p, sent.tool_choice, sent.reasoning_effort],
      [0.5, 0.9, "required", "low"],
    );
    assert.match(JSON.stringify(sent.response_format), /"schema":\{"type":"object"\}/);
    assert.match(JSON.stringify(messages), /Be brief.*one.*two.*three/);
  });
});

describe("a request for Claude", () => {
  test("goes through as it is, and so does its answer", async () => {
    fakeOf("anthropic").reply(wholeMessage("Rain."));
    const body = {
      ...ask("default"),
      tools: [{ type: "web_search_20250305", name: "web_search", max_uses: 3 }],
      of_the_future: { yes: [1, null] },
      stream: false,
    };
    const response = await fetch(`${api.url}/v1/messages`, {
      method: "POST",
      headers: {
        "x-api-key": client.apiKey ?? "",
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "one-2026-01-01,two-2026-01-01",
      },
      body: JSON.stringify(body),
    });
    assert.equal(await response.text(), wholeMessage("Rain.").chunks[0]);
    assert.match(response.headers.get("request-id") ?? "", /^req_/);
    const sent = lastOf("anthropic");
    assert.deepEqual(JSON.parse(sent.text), { ...body, model: "claude-opus-5-5" });
    assert.equal(sent.headers["anthropic-beta"], "one-2026-01-01,two-2026-01-01");
    assert.equal(sent.headers["anthropic-version"], "2023-06-01");
    assert.equal(sent.headers.authorization, "Bearer key-of-anthropic");
    assert.equal(sent.headers["x-api-key"], undefined);
  });

  test("is refused in the provider's own words", async () => {
    const details = { error_code: "of_the_future" };
    const error = { type: "invalid_request_error", message: "messages.3: no", details };
    fakeOf("anthropic").reply({
      status: 422,
      headers: { "content-type": "application/json" },
      chunks: [JSON.stringify({ type: "error", error })],
    });
    const refused = await failureOf(client.messages.create(ask("default")));
    assert.equal(refused.status, 422);
    assert.deepEqual((refused.error as { error: unknown }).error, error);
  });

  test("does not follow a provider that leads elsewhere", async () => {
    const elsewhere = fakeOf("openai");
    const count = elsewhere.requests.length;
    fakeOf("anthropic").reply({ status: 307, headers: { location: elsewhere.url }, chunks: [] });
    assert.match((await failureOf(client.messages.create(ask("default"), once))).message, /base_url/);
    assert.equal(elsewhere.requests.length, count);
  });

  test("loses the thoughts of others", async () => {
    fakeOf("anthropic").reply(wholeMessage("Rain."));
    await client.messages.create(
      ask("default", {
        messages: [
          { role: "user", content: "a" },
          {
            role: "assistant",
            content: [
              { type: "thinking", thinking: "t", signature: "drover:e30" },
              { type: "redacted_thinking", data: "drover:e30" },
              { type: "thinking", thinking: "mine", signature: "c2ln" },
              { type: "text", text: "b" },
            ],
          },
          { role: "user", content: "c" },
          { role: "assistant", content: [{ type: "thinking", thinking: "t", signature: "drover:e30" }] },
          { role: "user", content: [] },
        ],
      }),
    );
    const { messages } = JSON.parse(lastOf("anthropic").text) as { messages: unknown[] };
    const thought = { type: "thinking", thinking: "mine", signature: "c2ln" };
    assert.deepEqual(messages, [
      { role: "user", content: "a" },
      { role: "assistant", content: [thought, { type: "text", text: "b" }] },
      { role: "user", content: "c" },
      { role: "user", content: [] },
    ]);
  });
});

describe("a fallback", () => {
  test("of another vendor answers", async () => {
    fakeOf("google").reply(wireOf("google").wire.error("unavailable"));
    fakeOf("openai").reply(plainReply("openai", "I stand in."));
    const message = await client.messages.create(ask("google/down"), once);
    assert.deepEqual(shapeOf(message).text, ["I stand in."]);
  });

  test("at the same provider is asked under its own name", async () => {
    fakeOf("anthropic").reply(errorReply(529, "overloaded_error", "x"), textReply("I stand in."));
    const message = await client.messages.stream(ask("claude-down"), once).finalMessage();
    assert.deepEqual(shapeOf(message).text, ["I stand in."]);
    assert.equal(lastOf("anthropic").body.model, "claude-up");
  });

  test("answers where a stream begins with an error", async () => {
    fakeOf("anthropic").reply(
      { chunks: [wireOf("anthropic").wire.errorInside("overloaded")] },
      textReply("I stand in."),
    );
    const message = await client.messages.stream(ask("claude-down"), once).finalMessage();
    assert.deepEqual(shapeOf(message).text, ["I stand in."]);
  });

  test("is not asked what was refused for what it says", async () => {
    const count = fakeOf("openai").requests.length;
    fakeOf("google").reply(wireOf("google").wire.error("rejected"));
    assert.equal((await failureOf(client.messages.create(ask("google/down"), once))).status, 400);
    assert.equal(fakeOf("openai").requests.length, count);
  });
});

test("tokens are counted by a provider that can, and guessed for the others", async () => {
  fakeOf("anthropic").reply({
    headers: { "content-type": "application/json" },
    chunks: ['{"input_tokens":14}'],
  });
  const { max_tokens: _, ...question } = ask("default");
  assert.deepEqual(await client.messages.countTokens(question), { input_tokens: 14 });
  assert.match(lastOf("anthropic").path, /^\/v1\/messages\/count_tokens/);
  const short = await client.messages.countTokens({ ...question, model: "mistral/x" });
  const long = await client.messages.countTokens({
    ...question,
    model: "mistral/x",
    system: "x".repeat(3_000),
  });
  assert.equal(long.input_tokens - short.input_tokens, 1_000);
  const tools = [{ ...weather, description: "x".repeat(3_000) }];
  const equipped = await client.messages.countTokens({ ...question, model: "mistral/x", tools });
  assert.ok(equipped.input_tokens - short.input_tokens > 1_000);
});

/** Blocks begin and end one after another, and nothing comes outside of them. */
function assertInOrder(events: Anthropic.RawMessageStreamEvent[]): void {
  assert.equal(events[0]?.type, "message_start");
  assert.deepEqual(
    events.slice(-2).map(({ type }) => type),
    ["message_delta", "message_stop"],
  );
  let open: number | null = null;
  let next = 0;
  for (const event of events.slice(1, -2)) {
    assert.ok("index" in event, event.type);
    if (event.type === "content_block_start") {
      assert.deepEqual([open, event.index], [null, next]);
      open = next++;
    } else assert.equal(event.index, open);
    if (event.type === "content_block_stop") open = null;
  }
  assert.equal(open, null);
}

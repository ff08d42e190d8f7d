import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import Anthropic from "@anthropic-ai/sdk";
import type { ModelsFile } from "../src/config/models.ts";
import { sealed } from "../src/models/messages/seal.ts";
import { wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { answerEvents, sse, textReply } from "./fakes/anthropic.ts";
import { type FakeReply, startFakeUpstream } from "./fakes/upstream.ts";
import { startTestServer, testKey } from "./harness/server.ts";

/** Clients that leave, upstreams that speak in odd ways, and what either would like the other to get. */

/** Answers that do not run out, by the name of the upstream. */
const always = new Map<string, FakeReply>();
const start = (name: string) => startFakeUpstream<Record<string, unknown>>(() => always.get(name) ?? null);
const claude = await start("anthropic");
const compatible = await start("openai-compatible");
const openai = await start("openai");
const key = "the-key-of-the-upstream";
const api = await startTestServer({
  models: {
    providers: {
      anthropic: { type: "anthropic", base_url: claude.url, api_key: key, max_concurrency: 1 },
      local: { type: "openai-compatible", base_url: compatible.url, api_key: key, max_concurrency: 1 },
      openai: { type: "openai", base_url: openai.url, api_key: key },
      unsendable: { type: "anthropic", base_url: claude.url, api_key: `${key}\nx` },
    },
  } as ModelsFile,
});
const { client } = api;
after(async () => {
  await api.close();
  for (const fake of [claude, compatible, openai]) await fake.close();
});

const wireOf = (name: string) => allWired.find((wired) => wired.name === name)?.wire ?? assert.fail(name);
const once = { maxRetries: 0 };
const ask = (model: string, content = "hi") => ({
  model,
  max_tokens: 100,
  messages: [{ role: "user" as const, content }],
});
const textOf = ({ content }: Anthropic.Message) =>
  content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");

const asJson = { "content-type": "application/json" };
const asEvents = { "content-type": "text/event-stream" };
const wholeClaude = (text: string) => ({
  headers: asJson,
  chunks: [
    JSON.stringify({ id: "msg_1", type: "message", role: "assistant", content: [{ type: "text", text }] }),
  ],
});

const post = async (body: string) => {
  const response = await fetch(`${api.url}/v1/messages`, {
    method: "POST",
    headers: { ...asJson, authorization: `Bearer ${testKey}` },
    body,
  });
  return { status: response.status, text: await response.text() };
};

/** A request whose answer is left unread; resolves when its head is there. */
function rawAsk(body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${api.url}/v1/messages`, {
      method: "POST",
      headers: { ...asJson, authorization: `Bearer ${testKey}` },
    });
    request.on("response", resolve);
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

const to = [
  { name: "anthropic", model: "claude-opus-5-5", fake: claude, whole: wholeClaude },
  {
    name: "openai-compatible",
    model: "local/x",
    fake: compatible,
    whole: (text: string) => wholeReply(wireOf("openai-compatible"), { text: [text] }),
  },
] as const;

for (const { name, model, fake, whole } of to) {
  const streamed = (text: string) => wholeReply(wireOf(name), { text: [text] });

  describe(`whoever leaves ${name} makes room for the next`, () => {
    for (const stream of [true, false]) {
      test(`before there is an answer, ${stream ? "streamed" : "whole"}`, async () => {
        const count = fake.requests.length;
        fake.reply({ headers: asEvents, chunks: [], end: "hang" }, whole("Rain."));
        const leaving = new AbortController();
        const asking = client.messages.create({ ...ask(model), stream }, { ...once, signal: leaving.signal });
        const sent = await fake.request(count);
        leaving.abort();
        await assert.rejects(async () => {
          for await (const _ of (await asking) as AsyncIterable<unknown>);
        });
        assert.equal(await sent.ended, "closed");
        assert.equal(textOf(await client.messages.create(ask(model), once)), "Rain.");
      });
    }

    test("while it waits for its turn", async () => {
      const count = fake.requests.length;
      fake.reply({ headers: asEvents, chunks: [wireOf(name).begun("It is")], end: "hang" });
      const first = new AbortController();
      const held = client.messages.stream(ask(model), { ...once, signal: first.signal });
      await fake.request(count);
      const second = new AbortController();
      const waiting = client.messages.create(ask(model, "never sent"), { ...once, signal: second.signal });
      second.abort();
      await assert.rejects(waiting);
      first.abort();
      await assert.rejects(held.finalMessage());
      fake.reply(whole("Rain."));
      assert.equal(textOf(await client.messages.create(ask(model), once)), "Rain.");
      assert.ok(!fake.requests.some(({ text }) => text.includes("never sent")));
    });

    test("twenty at once, of whom some leave", async () => {
      always.set(name, streamed("Rain."));
      const asked = Array.from({ length: 20 }, async (_, i) => {
        const leaving = new AbortController();
        const stream = client.messages.stream(ask(model), { ...once, signal: leaving.signal });
        if (i % 4 === 1) leaving.abort();
        if (i % 4 === 2) stream.on("text", () => leaving.abort());
        if (i % 4 === 3) stream.on("message", () => leaving.abort());
        return stream.finalMessage().then(textOf, () => "left");
      });
      const ended = await Promise.all(asked);
      assert.deepEqual(
        ended.filter((_, i) => i % 4 === 0),
        Array.from({ length: 5 }, () => "Rain."),
      );
      assert.equal(textOf(await client.messages.stream(ask(model), once).finalMessage()), "Rain.");
      always.delete(name);
    });

    test("who reads nothing of what has no end is not sent all of it", async () => {
      let pieces = 0;
      async function* endless() {
        yield wireOf(name).begun("It is");
        const [, delta] = /\n\n((?:event: content_block_delta\n)?data: [^\n]*It is[^\n]*\n\n)/.exec(
          `\n\n${wireOf(name).begun("It is")}`,
        ) ?? [assert.fail("there is no text in it"), ""];
        for (; pieces < 800; pieces += 1) yield delta.replace("It is", "x".repeat(64 << 10));
      }
      const count = fake.requests.length;
      fake.reply({ headers: asEvents, chunks: endless(), end: "hang" });
      const response = await rawAsk({ ...ask(model), stream: true });
      response.pause();
      const sent = await fake.request(count);
      for (let before = -1; before < pieces; await new Promise((resolve) => setTimeout(resolve, 500)))
        before = pieces;
      assert.ok(pieces < 400, `${pieces} pieces were taken`);
      response.destroy();
      assert.equal(await sent.ended, "closed");
      fake.reply(whole("Rain."));
      assert.equal(textOf(await client.messages.create(ask(model), once)), "Rain.");
    });
  });
}

describe("an upstream of the same language that is not quite", () => {
  const events = sse(answerEvents({ blocks: [{ type: "text", text: ["Rain: é👋"] }] }));
  const bytes = Buffer.from(events);
  const fine: [string, FakeReply][] = [
    ["with CRLF", { chunks: [events.replaceAll("\n", "\r\n")] }],
    ["byte by byte", { chunks: [...bytes].map((byte) => Uint8Array.of(byte)) }],
    [
      "with CRLF, byte by byte",
      { chunks: [...Buffer.from(events.replaceAll("\n", "\r\n"))].map((byte) => Uint8Array.of(byte)) },
    ],
    ["compressed", { headers: { ...asEvents, "content-encoding": "gzip" }, chunks: [gzipSync(bytes)] }],
  ];
  for (const [name, reply] of fine) {
    test(`${name}, is understood`, async () => {
      claude.reply(reply);
      const message = await client.messages.stream(ask("claude-x"), once).finalMessage();
      assert.equal(textOf(message), "Rain: é👋");
    });
  }

  test("without names of events, is whole all the same", async () => {
    claude.reply({ chunks: [events.replaceAll(/^event: .*\n/gm, "")] });
    const { text } = await post(JSON.stringify({ ...ask("claude-x"), stream: true }));
    assert.match(text, /Rain: é👋/);
    assert.match(text, /message_stop"\}\n\n$/);
  });

  const error = { type: "error", error: { type: "invalid_request_error", message: `no: Bearer ${key}` } };
  const bad: [string, boolean, FakeReply, number | undefined, RegExp][] = [
    ["an error under 200", false, { headers: asJson, chunks: [JSON.stringify(error)] }, 400, /no: /],
    ["an error under 200", true, { headers: asJson, chunks: [JSON.stringify(error)] }, 400, /no: /],
    ["an error at the beginning of the stream", true, { chunks: [sse([error])] }, 400, /no: /],
    [
      "an error in the stream",
      true,
      { chunks: [events.slice(0, events.indexOf("event: content_block_stop")), sse([error])] },
      undefined,
      /no: /,
    ],
    ["a page", false, { headers: { "content-type": "text/html" }, chunks: ["<html>"] }, 502, /web page/],
    ["a page", true, { headers: { "content-type": "text/html" }, chunks: ["<html>"] }, 502, /web page/],
    ["plain words", false, { headers: { "content-type": "text/plain" }, chunks: ["oops"] }, 502, /JSON/],
    ["half of a frame", true, { chunks: [events.slice(0, -20)] }, undefined, /in the middle/],
    ["nothing", true, { chunks: [] }, 502, /in the middle/],
    ["nothing", false, { headers: asJson, chunks: [] }, 502, /JSON/],
    [
      "an error that is long",
      false,
      { status: 500, headers: asJson, chunks: ["x".repeat(1 << 20)] },
      502,
      /^.{0,3000}$/s,
    ],
    [
      "an error of the request that is long",
      false,
      {
        status: 400,
        headers: asJson,
        chunks: [JSON.stringify({ error: { type: "invalid_request_error", message: "x".repeat(1 << 20) } })],
      },
      400,
      /^.{0,7000}$/s,
    ],
  ];
  for (const [name, stream, reply, status, says] of bad) {
    test(`${name}, ${stream ? "to a stream" : "to a request"}, is told as an error, without the key`, async () => {
      claude.reply(reply);
      const asking = stream
        ? client.messages.stream(ask("claude-x"), once).finalMessage()
        : client.messages.create(ask("claude-x"), once);
      const failed = await asking.then(
        () => assert.fail("it was answered"),
        (reason: unknown) => reason,
      );
      assert.ok(failed instanceof Anthropic.APIError, String(failed));
      assert.equal(failed.status, status);
      assert.match(failed.message, says);
      assert.doesNotMatch(failed.message, new RegExp(key));
      claude.reply(stream ? textReply("Sun.") : wholeClaude("Sun."));
      const next = ask("claude-x");
      const message = stream
        ? await client.messages.stream(next, once).finalMessage()
        : await client.messages.create(next, once);
      assert.equal(textOf(message), "Sun.");
    });
  }

  for (const [name, last, errors] of [
    ["is whole", events, 0],
    ["ends with an error", events.slice(0, events.indexOf("event: message_delta")) + sse([error]), 1],
  ] as const)
    test(`a stream that ${name}, and then breaks, says no more than that`, async () => {
      claude.reply({ chunks: [last], end: "cut" });
      const { text } = await post(JSON.stringify({ ...ask("claude-x"), stream: true }));
      assert.equal(text.split("event: error").length - 1, errors);
    });

  test("a stream that begins with an error is left, even where it goes on", async () => {
    const count = claude.requests.length;
    claude.reply({ chunks: [sse([error]), events], end: "hang" });
    await assert.rejects(client.messages.stream(ask("claude-x"), once).finalMessage(), { status: 400 });
    assert.equal(await (await claude.request(count)).ended, "closed");
  });

  test("a key that no header can carry is not told", async () => {
    await assert.rejects(client.messages.create(ask("unsendable/x"), once), (failed: unknown) => {
      assert.ok(failed instanceof Anthropic.APIError);
      assert.equal(failed.status, 502);
      assert.doesNotMatch(failed.message, new RegExp(key));
      return true;
    });
  });
});

const talk = (signature: string) => ({
  ...ask("openai/gpt-5.2"),
  messages: [
    { role: "user" as const, content: "a" },
    {
      role: "assistant" as const,
      content: [
        { type: "thinking" as const, thinking: "t", signature },
        { type: "redacted_thinking" as const, data: signature },
        { type: "tool_use" as const, id: "call_a", name: "weather", input: {} },
      ],
    },
    {
      role: "user" as const,
      content: [{ type: "tool_result" as const, tool_use_id: "call_a", content: "b" }],
    },
  ],
});
const by = (data: unknown) =>
  sealed({ provider: "openai", data: typeof data === "string" ? data : JSON.stringify(data) });

describe("a thought that a client has made up", () => {
  const forged: [string, string][] = [
    ["nothing", "drover:"],
    ["no JSON", "drover:e30x"],
    ["no object", by(5)],
    ["null", by("null")],
    ["a list", by([1])],
    ["null for options", by({ openai: null })],
    ["a prototype", by('{"__proto__":{"openai":{"store":true}},"openai":{"__proto__":{"itemId":"rs_1"}}}')],
    ["options of the request", by({ openai: { store: true, previousResponseId: "resp_1", user: "x" } })],
    ["what others have stored", by({ openai: { store: true, itemId: "rs_others" } })],
    ["much", by({ openai: { itemId: "x".repeat(1 << 20) } })],
  ];
  for (const [name, signature] of forged) {
    test(`with ${name} changes nothing of the request`, async () => {
      openai.reply(wholeReply(wireOf("openai"), { text: ["Rain."] }));
      const count = openai.requests.length;
      const message = await client.messages.create(talk(signature), once);
      assert.equal(textOf(message), "Rain.");
      const { body } = await openai.request(count);
      assert.equal(body.store, false);
      const { input, ...options } = body;
      assert.doesNotMatch(JSON.stringify(options), /resp_1|rs_|"x"/);
      assert.doesNotMatch(JSON.stringify(input), /item_reference/);
      assert.equal(({} as { openai?: unknown }).openai, undefined);
    });
  }
});

test("a thought that no provider could have had is refused", async () => {
  for (const options of [7, { itemId: {}, reasoningEncryptedContent: ["x"], phase: 3 }]) {
    const count = openai.requests.length;
    const asking = client.messages.create(talk(by({ openai: options })), once);
    await assert.rejects(asking, Anthropic.BadRequestError);
    assert.equal(openai.requests.length, count);
  }
});

describe("a body", () => {
  test("of 30 MB goes through", async () => {
    claude.reply(wholeClaude("Rain."));
    const count = claude.requests.length;
    const body = JSON.stringify(ask("claude-x", "é".repeat(15 << 20)));
    assert.equal((await post(body)).status, 200);
    assert.equal((await claude.request(count)).text.length, body.length);
  });

  test("that says a thing twice means the last", async () => {
    const twice = `{"model":"claude-x","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"model":"simulated"}`;
    const { status, text } = await post(twice);
    assert.deepEqual([status, JSON.parse(text).model], [200, "simulated"]);
  });

  for (const [name, body] of [
    ["too deep", `${'{"model":"simulated","messages":'}${"[".repeat(5_000)}${"]".repeat(5_000)}}`],
    ["with a prototype", '{"model":"simulated","__proto__":{"max_tokens":1}}'],
    ["that is a list", "[]"],
    ["with half a character", '{"model":"claude-x","messages":"\\ud800"}'],
    ["with a stream that is none", '{"model":"claude-x","stream":"yes"}'],
  ] as const)
    test(`${name} is refused`, async () => {
      const count = claude.requests.length;
      assert.equal((await post(body)).status, 400);
      assert.equal(claude.requests.length, count);
    });
});

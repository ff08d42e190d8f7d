import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import type { ModelsFile } from "../src/config/models.ts";
import { wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { startFakeUpstream } from "./fakes/upstream.ts";
import type { WireAnswer } from "./fakes/wire.ts";
import { startTestServer } from "./harness/server.ts";

/** What the official SDK builds on top of the requests, as its users have it. */

const compatible = await startFakeUpstream<Record<string, unknown>>();
const claude = await startFakeUpstream<Record<string, unknown>>();
const api = await startTestServer({
  models: {
    providers: {
      local: { type: "openai-compatible", base_url: compatible.url, max_concurrency: 1 },
      anthropic: { type: "anthropic", base_url: claude.url, api_key: "key", max_concurrency: 1 },
    },
  } as ModelsFile,
});
const { client } = api;
after(async () => {
  await api.close();
  await compatible.close();
  await claude.close();
});

const wired = [
  { name: "openai-compatible", model: "local/x", fake: compatible },
  { name: "anthropic", model: "claude-opus-5-5", fake: claude },
] as const;

/** An answer to a request for a stream, or for all of it at once. */
function reply({ name, fake }: (typeof wired)[number], answer: WireAnswer, stream: boolean): void {
  const { wire } = allWired.find((one) => one.name === name) ?? assert.fail(name);
  if (name !== "anthropic" || stream) {
    fake.reply(wholeReply(wire, answer));
    return;
  }
  const content = [
    ...(answer.text ? [{ type: "text", text: answer.text.join("") }] : []),
    ...(answer.calls ?? []).map(({ id, name, json }) => ({
      type: "tool_use",
      id,
      name,
      input: JSON.parse(json.join("")),
    })),
  ];
  const stop_reason = answer.calls ? "tool_use" : "end_turn";
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", content, stop_reason, usage };
  fake.reply({ headers: { "content-type": "application/json" }, chunks: [JSON.stringify(message)] });
}

const messages = [{ role: "user" as const, content: "How is it in Oslo?" }];
const call = { id: "call_a", name: "weather", json: ['{"city":"Os', 'lo"}'] };

for (const to of wired) {
  describe(to.name, () => {
    for (const stream of [false, true]) {
      test(`the tool runner, ${stream ? "streaming" : "whole"}`, async () => {
        reply(to, { text: ["I look."], calls: [call] }, stream);
        reply(to, { text: ["Rain."] }, stream);
        const asked: string[] = [];
        const weather = betaZodTool({
          name: "weather",
          description: "Tells the weather",
          inputSchema: z.object({ city: z.string() }),
          strict: true,
          eager_input_streaming: true,
          cache_control: { type: "ephemeral" },
          run({ city }) {
            asked.push(city);
            return "wet";
          },
        });
        const runner = client.beta.messages.toolRunner({
          model: to.model,
          max_tokens: 100,
          messages: [...messages],
          tools: [weather],
          stream,
        });
        const last = await runner;
        assert.deepEqual(asked, ["Oslo"]);
        assert.deepEqual(
          last.content.flatMap((block) => (block.type === "text" ? [block.text] : [])),
          ["Rain."],
        );
        const [first, second] = to.fake.requests.slice(-2);
        assert.match(first?.text ?? "", /"strict":true/);
        assert.match(second?.text ?? "", /"wet"/);
      });
    }

    test("an answer in a form, parsed", async () => {
      reply(to, { text: ['{"wet":', "true}"] }, false);
      const format = zodOutputFormat(z.object({ wet: z.boolean() }));
      const parsed = await client.messages.parse({
        model: to.model,
        max_tokens: 100,
        messages,
        output_config: { format },
      });
      assert.deepEqual(parsed.parsed_output, { wet: true });
    });

    test("the beta's stream", async () => {
      reply(to, { text: ["Ra", "in."], calls: [call] }, true);
      const stream = client.beta.messages.stream({
        model: to.model,
        max_tokens: 100,
        messages,
        betas: ["some-2026-01-01"],
      });
      const { content, stop_reason } = await stream.finalMessage();
      assert.equal(stop_reason, "tool_use");
      const [text, use] = content;
      assert.ok(text?.type === "text" && use?.type === "tool_use");
      assert.deepEqual([text.text, use.input], ["Rain.", { city: "Oslo" }]);
    });
  });
}

test("what is null is not set", async () => {
  const [to] = wired;
  const nothing = { cache_control: null, citations: null, toolset_name: null };
  reply(to, { text: ["Rain."] }, false);
  const body = {
    model: to.model,
    max_tokens: 100,
    container: null,
    context_management: null,
    diagnostics: null,
    inference_geo: null,
    output_config: { effort: null, format: null, task_budget: null },
    output_format: null,
    thinking: { type: "adaptive", display: null },
    metadata: { user_id: null },
    speed: null,
    ...nothing,
    tools: [
      {
        name: "weather",
        type: null,
        input_schema: { type: "object", properties: { city: { default: null } }, required: null },
        eager_input_streaming: null,
        defer_loading: false,
        allowed_callers: ["direct"],
        cache_control: null,
      },
    ],
    messages: [
      { role: "user", content: [{ type: "text", text: "hi", ...nothing }] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "I look.", ...nothing },
          { type: "tool_use", id: "call_a", name: "weather", input: { city: null }, toolset_name: null },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_a", content: null, ...nothing },
          {
            type: "document",
            source: { type: "text", media_type: "text/plain", data: "x" },
            title: null,
            context: null,
            ...nothing,
          },
        ],
      },
    ],
  };
  await client.messages.create(body as unknown as Anthropic.MessageCreateParamsNonStreaming);
  const sent = to.fake.requests.at(-1)?.text ?? "";
  const { tools, messages: told } = JSON.parse(sent) as {
    tools: { function: { parameters: unknown } }[];
    messages: { tool_calls?: { function: { arguments: string } }[] }[];
  };
  assert.deepEqual(tools[0]?.function.parameters, body.tools[0]?.input_schema);
  assert.equal(told[1]?.tool_calls?.[0]?.function.arguments, '{"city":null}');
  const { max_tokens: _, ...question } = body;
  const count = question as unknown as Anthropic.MessageCountTokensParams;
  const { metadata: __, ...counted } = count as typeof count & { metadata: unknown };
  assert.ok((await client.messages.countTokens(counted)).input_tokens > 0);
});

test("models, page by page", async () => {
  const ids: string[] = [];
  for await (const { id } of client.models.list({ limit: 1 })) ids.push(id);
  assert.deepEqual(ids, ["simulated", "simulated/typing"]);
  const found = await client.models.retrieve("simulated/typing");
  assert.equal(found.id, "simulated/typing");
});

import assert from "node:assert/strict";
import { type FakeUpstream, startFakeUpstream } from "../../test/fakes/upstream.ts";
import { png } from "../protocol/testing-images.ts";
import { answerOf, requestOf } from "./model.spec.ts";
import type { AssistantBlock, Effort, ModelMessage, ModelRequest } from "./model.ts";
import { type Wired, wholeReply } from "./wire.spec.ts";

/** What a provider makes of a conversation that has everything in it, seen on its wire. */
export interface Recorded {
  /** The newest request's body. */
  body: unknown;
  features: Record<string, string>;
}

const image = png(3, 2);
const resultImage = png(2, 3);
const pdf = Buffer.from("%PDF-1.7 as far as anybody looks").toString("base64");
const efforts: Effort[] = ["low", "medium", "high", "xhigh", "max"];
const cache_key = "thread-of-the-spec";
const thought = "I should look around.";
const sealed = "c2VhbGVkIHRob3VnaHQ=";

/** Plays a conversation of two steps: what the provider has answered goes back to it with the results. */
export async function record(wired: Wired): Promise<Recorded> {
  const fake = await startFakeUpstream<unknown>();
  try {
    const { wire, modelId } = wired;
    const model = wired.model(fake.url);
    const ask = async (request: ModelRequest) => (await answerOf(model, request)).ending;
    const sent = () => fake.requests.at(-1)?.body;

    const first = { ...requestOf(modelId, [opening]), cache_key };
    fake.reply(
      wholeReply(wire, {
        thinking: { pieces: [thought], sealed },
        text: ["I look."],
        calls: [
          { id: "call0fake", name: "bash", json: ['{"command":', '"ls"}'] },
          { id: "call1fake", name: "bash", json: ['{"command":"false"}'] },
        ],
        usage: { input: 7, cached: 100, output: 3 },
      }),
    );
    const answered = await ask({ ...first, effort: "high" });
    assert.ok(answered.type === "finished");

    fake.reply(wholeReply(wire, { text: ["Done."] }));
    await ask({ ...first, effort: "high", messages: conversation(answered.content) });
    const body = sent();
    const text = JSON.stringify(body);

    const mapped: string[] = [];
    for (const effort of efforts) {
      fake.reply(wholeReply(wire, { text: ["x"] }));
      await ask({ ...first, effort });
      mapped.push(String(effortIn(sent()) ?? "none"));
    }

    const schema = { type: "object", properties: { only_here: { type: "string" } } };
    fake.reply(wholeReply(wire, { text: ["{}"] }));
    await ask({ ...first, tools: [], answer: { name: "verdict", schema, tokens_max: 10 } });
    const held = JSON.stringify(sent()).includes("only_here");

    const rules = { allowed_domains: ["only.example"] };
    fake.reply(wholeReply(wire, { text: ["x"] }));
    await ask({ ...first, tools: [], search: { ...rules, location: null, tokens_max: 10 } });
    const searching = JSON.stringify(sent());
    const filters = searching.includes("only.example") ? "yes" : "yes, and we apply domain rules";

    return {
      body,
      features: {
        "parallel calls":
          answered.content.filter(({ type }) => type === "tool_use").length === 2 ? "yes" : "no",
        images: text.includes(image) ? "yes" : "no",
        "images in tool results": text.includes(resultImage)
          ? text.includes("follow in the next message")
            ? "in a message after it"
            : "yes"
          : "no",
        "PDF documents": text.includes(pdf) ? "yes" : "no",
        "thoughts go back to it": text.includes(sealed)
          ? "sealed"
          : text.includes(thought)
            ? "as text"
            : "no",
        "system messages": text.includes("<system>") ? "as the user's text" : "yes",
        [`effort ${efforts.join(", ")}`]: mapped.join(", "),
        "answers held to a schema": held ? "yes" : "no",
        caching: text.includes("cache_control")
          ? "at marks"
          : text.includes(cache_key)
            ? "by itself, under the thread's key"
            : "by itself",
        "cache reads in usage": answered.usage.cache_read_input_tokens === 100 ? "yes" : "no",
        "usage of an aborted answer": await usageOfAborted(wired, fake, first),
        "arguments that are not JSON": await notJson(wired, fake, first),
        refusals: await refusals(wired, fake, first),
        "a search of the web of its own": /web_search|googleSearch/.test(searching) ? filters : "no",
        "retry-after": await retryAfter(wired, fake, first),
      },
    };
  } finally {
    await fake.close();
  }
}

const opening: ModelMessage = {
  role: "user",
  content: [
    { type: "text", text: "Look around: é 👋" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: image } },
    {
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: pdf },
      title: "Plan",
    },
    {
      type: "document",
      source: { type: "text", media_type: "text/plain", data: "Notes of a user." },
      context: "older",
    },
    {
      type: "search_result",
      title: "Found",
      source: "https://example.com",
      content: ["one", "two"],
      citations: false,
    },
  ],
};

const conversation = (content: AssistantBlock[]): ModelMessage[] => [
  opening,
  { role: "assistant", content },
  {
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "call0fake",
        content: [
          { type: "text", text: "a.png" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: resultImage } },
        ],
        is_error: false,
      },
      {
        type: "tool_result",
        tool_use_id: "call1fake",
        content: [{ type: "text", text: "exit code 1" }],
        is_error: true,
      },
      { type: "text", text: "And be quick." },
    ],
  },
  { role: "system", content: [{ type: "text", text: "Speak German from now on." }] },
];

const effortNames = ["effort", "reasoning_effort", "thinkingLevel"];

/** Wherever a vendor has it. */
function effortIn(body: unknown): unknown {
  if (typeof body !== "object" || body === null) return undefined;
  for (const [name, value] of Object.entries(body)) {
    const found = effortNames.includes(name) ? value : effortIn(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function usageOfAborted(
  wired: Wired,
  fake: FakeUpstream<unknown>,
  request: ModelRequest,
): Promise<string> {
  const abort = new AbortController();
  const begun = wired.wire.begun("one");
  fake.reply({ headers: { "content-type": "text/event-stream" }, chunks: [begun], end: "hang" });
  for await (const event of wired.model(fake.url).stream(request, abort.signal)) {
    if (event.type === "text_delta") setImmediate(() => abort.abort());
    if (event.type === "aborted") return event.usage.input_tokens > 0 ? "yes" : "no";
  }
  return "no";
}

/** Where arguments come as text, they may be any. */
async function notJson(wired: Wired, fake: FakeUpstream<unknown>, request: ModelRequest): Promise<string> {
  if (wired.call_arguments === "object") return "cannot come";
  const json = ['{"command": '];
  fake.reply(wholeReply(wired.wire, { calls: [{ id: "call0fake", name: "bash", json }] }));
  const { ending } = await answerOf(wired.model(fake.url), request);
  const [call] = ending.type === "finished" ? ending.content : [];
  return call?.type === "tool_use" && call.malformed === json[0] ? "told to the model" : "no";
}

async function refusals(wired: Wired, fake: FakeUpstream<unknown>, request: ModelRequest): Promise<string> {
  fake.reply(wholeReply(wired.wire, { text: ["I"], stop: "refusal" }));
  const { ending } = await answerOf(wired.model(fake.url), request);
  return ending.type === "finished" && ending.stop.reason === "refusal" ? "yes" : "no";
}

async function retryAfter(wired: Wired, fake: FakeUpstream<unknown>, request: ModelRequest): Promise<string> {
  fake.reply(wired.wire.error("rate_limited", { "retry-after": "7" }));
  const { ending } = await answerOf(wired.model(fake.url), request);
  assert.ok(ending.type === "failed");
  return ending.failure.retry_after_ms === 7_000 ? "honoured" : "no";
}

const introduction = `# Models

What each type of provider supports, as the specification of the providers finds it against fakes of their wire formats.
This file is generated: \`npm run docs:models\` writes it anew, and a test fails when it is out of date.
`;

const notes = `
* Bedrock, Vertex and Foundry serve Claude through Anthropic's Messages API and are as \`anthropic\` is, but for the search
  of the web, for which they are not asked.
* A provider never gets the thoughts of another one: when a fallback or another model takes a conversation over, they are
  left out, and come back when their own provider is asked again.
* "As the user's text": the vendor or its servers take system text at the beginning alone.
* Only \`anthropic\` knows the speed \`fast\`; elsewhere it changes nothing.
* Every request extends the one before it byte for byte, so each vendor's prompt cache holds most of it. The marks stand on
  the tools, the system prompt, the end, and where the request before ended. \`google\` takes no key, and the servers
  behind \`openai-compatible\` do not agree on one.
* A reply whose arguments are no JSON object runs no tool: the model is told what it wrote.
`;

export function documentOf(recorded: { name: string; features: Record<string, string> }[]): string {
  const [first] = recorded;
  const rows = Object.keys(first?.features ?? {}).map(
    (feature) => `| ${feature} | ${recorded.map(({ features }) => features[feature]).join(" | ")} |`,
  );
  const head = `| | ${recorded.map(({ name }) => `\`${name}\``).join(" | ")} |`;
  const line = `|---|${recorded.map(() => "---|").join("")}`;
  return [introduction, head, line, ...rows, notes].join("\n");
}

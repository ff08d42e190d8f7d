import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ModelsFile } from "../src/config/models.ts";
import { type Wired, wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import type { WireCall } from "./fakes/wire.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { isOf, listed, newSession, prepare, resultsIn, saidIn, turn } from "./harness/session.ts";

type Provider = NonNullable<ModelsFile["providers"]>[string];
type Case = Pick<Wired, "name" | "wire" | "modelId"> & { provider: Provider };

const api_key = "k";
/** Every type of provider, and what it needs beside the address of its fake. */
const cases: Case[] = [
  ...allWired.map((wired): Case => ({ ...wired, provider: { type: wired.name, api_key } as Provider })),
  claudeAt("anthropic.claude-opus-5-5", { type: "bedrock", region: "eu-west-1", api_key }),
  claudeAt("claude-opus-5-5@20260101", { type: "vertex", region: "eu", project: "p", api_key }),
  claudeAt("claude-opus-5-5", { type: "foundry", resource: "ours", api_key }),
];

function claudeAt(modelId: string, provider: Provider): Case {
  return { ...wiredOf("anthropic"), name: provider.type, modelId, provider };
}

/** One fake for each provider of the server. */
const fakes = new Map<string, FakeUpstream<unknown>>();
let api: TestServer;

before(async () => {
  for (const { name } of cases) fakes.set(name, await startFakeUpstream());
  const providers = Object.fromEntries(
    cases.map(({ name, provider }) => [name, { ...provider, base_url: fakeOf(name).url }]),
  );
  const fallbacks = { "google/down": ["openai/gpt-5.2"], "google/off": ["anthropic/claude-opus-5-5"] };
  api = await startTestServer({ models: { providers, aliases: { default: "mistral/x" }, fallbacks } });
});
after(async () => {
  await api.close();
  for (const fake of fakes.values()) await fake.close();
});

const fakeOf = (name: string) => fakes.get(name) ?? assert.fail(name);
const call = (id: string, name: string, input: object): WireCall => ({
  id,
  name,
  json: [JSON.stringify(input)],
});
const file_path = "/workspace/note.txt";

/** A task that needs several tools; the provider fails once, and so does a tool. */
async function play({ name, wire, modelId }: Case) {
  const fake = fakeOf(name);
  fake.reply(
    wire.error("unavailable", { "retry-after-ms": "1" }),
    wholeReply(wire, {
      thinking: { pieces: ["I should look."], sealed: "c2VhbGVk" },
      text: ["I ", "look: é👋"],
      calls: [
        call("callAfake", "write", { file_path, content: "one" }),
        call("callBfake", "bash", { command: "echo failed >&2; exit 3" }),
      ],
    }),
    wholeReply(wire, { calls: [call("callCfake", "read", { file_path })] }),
    wholeReply(wire, { text: ["Done."] }),
  );
  const { id } = await newSession(api.client, await prepare(api.client, `${name}/${modelId}`));
  await turn(api.client, id, "go");
  return { id, events: await listed(api.client, id), sent: fake.requests.at(-1)?.text ?? "" };
}

/** Every entry, also those that no client sees. */
async function logOf(id: string): Promise<string[]> {
  const entries = await api.db.query<{ audience: string; type: string }>(
    { name: "test_log", text: "select audience, type from event where session_id = $1 order by seq" },
    [id],
  );
  return entries.map(({ audience, type }) => `${audience} ${type}`);
}

describe("the same task, whoever answers", () => {
  const shapes: string[][] = [];

  for (const played of cases) {
    test(played.name, async () => {
      const { id, events, sent } = await play(played);
      assert.equal(saidIn(events), "I look: é👋\nDone.");
      const results = events.filter(isOf("agent.tool_result"));
      assert.deepEqual(results.map(({ is_error }) => is_error).toSorted(), [false, false, true]);
      assert.match(resultsIn(events).at(-1) ?? "", /\bone\b/);
      const [retried, ...others] = events.filter(isOf("session.error"));
      assert.equal(retried?.error.retry_status.type, "retrying");
      assert.deepEqual(others, []);
      assert.match(sent, /c2VhbGVk|I should look/);
      shapes.push(await logOf(id));
    });
  }

  test("leaves the same log", () => {
    const [first] = shapes;
    assert.equal(shapes.length, cases.length);
    for (const shape of shapes) assert.deepEqual(shape, first);
  });
});

test("a fallback answers where a provider is down, and the log says so", async () => {
  const [google, openai] = [wiredOf("google"), wiredOf("openai")];
  fakeOf("google").reply(google.wire.error("unavailable"));
  fakeOf("openai").reply(wholeReply(openai.wire, { text: ["I stand in."] }));
  const { id } = await newSession(api.client, await prepare(api.client, "google/down"));
  const events = await turn(api.client, id, "go");
  assert.equal(saidIn(events), "I stand in.");
  assert.ok(!events.some(({ type }) => type === "session.error"));
  const [reply] = await api.db.query<{ body: { served_by: unknown } }>(
    {
      name: "test_model_reply",
      text: "select body from event where session_id = $1 and type = 'model_reply'",
    },
    [id],
  );
  assert.deepEqual(reply?.body.served_by, {
    provider: "openai",
    model: "gpt-5.2",
    after: [{ provider: "google", model: "down", failure: "unavailable" }],
  });
});

test("what a fallback took is charged at its own price, also where its answer broke off", async () => {
  const [google, anthropic] = [wiredOf("google"), wiredOf("anthropic")];
  const down = google.wire.error("unavailable");
  fakeOf("google").reply(down, down);
  fakeOf("anthropic").reply(
    { chunks: [anthropic.wire.begun("I st")], end: "cut" },
    wholeReply(anthropic.wire, { text: ["I stand in."] }),
  );
  const { id } = await newSession(api.client, await prepare(api.client, "google/off"));
  const events = await turn(api.client, id, "go");
  const [error] = events.filter(isOf("session.error"));
  assert.match(error?.error.message ?? "", /It stood in for google\/off \(unavailable\)\.$/);
  const charged = await api.db.query<{ body: { served_by?: unknown; nano_dollars: number | null } }>(
    { name: "test_charged", text: "select body from event where session_id = $1 and type = 'charged'" },
    [id],
  );
  assert.equal(charged.length, 2);
  for (const { body } of charged) {
    const after = [{ provider: "google", model: "off", failure: "unavailable" }];
    assert.deepEqual(body.served_by, { provider: "anthropic", model: "claude-opus-5-5", after });
    assert.ok((body.nano_dollars ?? 0) > 0);
  }
});

test("an alias is served by the model that it stands for", async () => {
  fakeOf("mistral").reply(wholeReply(wiredOf("mistral").wire, { text: ["It is me."] }));
  const { id } = await newSession(api.client, await prepare(api.client, "default"));
  assert.equal(saidIn(await turn(api.client, id, "go")), "It is me.");
  assert.match(fakeOf("mistral").requests.at(-1)?.text ?? "", /"model":"x"/);
});

function wiredOf(name: string): Wired {
  return allWired.find((wired) => wired.name === name) ?? assert.fail(name);
}

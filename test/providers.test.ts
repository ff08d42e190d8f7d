import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ModelsFile } from "../src/config/models.ts";
import { type Wired, wholeReply } from "../src/models/wire.spec.ts";
import { allWired } from "../src/models/wired.spec.ts";
import { type FakeUpstream, startFakeUpstream } from "./fakes/upstream.ts";
import type { WireCall } from "./fakes/wire.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { listed, newSession, prepare, resultsIn, saidIn, turn, typesOf } from "./harness/session.ts";

/** One fake for each provider of the server. */
const fakes = new Map<string, FakeUpstream<unknown>>();
let api: TestServer;

before(async () => {
  for (const { name } of allWired) fakes.set(name, await startFakeUpstream());
  const providers = Object.fromEntries(
    [...fakes].map(([name, { url }]) => [name, { type: name, base_url: url, api_key: "k" }]),
  ) as ModelsFile["providers"];
  const fallbacks = { "google/down": ["openai/gpt-5.2"] };
  api = await startTestServer({ models: { providers, aliases: { default: "mistral/x" }, fallbacks } });
});
after(async () => {
  await api.close();
  for (const fake of fakes.values()) await fake.close();
});

const fakeOf = (name: string) => fakes.get(name) ?? assert.fail(name);
const call = (id: string, command: string): WireCall => ({
  id,
  name: "bash",
  json: [JSON.stringify({ command })],
});

/** A task that needs several tools; the provider fails once, and so does a tool. */
async function play({ name, wire, modelId }: Wired) {
  const fake = fakeOf(name);
  fake.reply(
    wire.error("unavailable", { "retry-after-ms": "1" }),
    wholeReply(wire, {
      thinking: { pieces: ["I should look."], sealed: "c2VhbGVk" },
      text: ["I ", "look: é👋"],
      calls: [call("callAfake", "echo one"), call("callBfake", "echo failed >&2; exit 3")],
    }),
    wholeReply(wire, { calls: [call("callCfake", "echo two")] }),
    wholeReply(wire, { text: ["Done."] }),
  );
  const { id } = await newSession(api.client, await prepare(api.client, `${name}/${modelId}`));
  await turn(api.client, id, "go");
  return { id, events: await listed(api.client, id), sent: fake.requests.at(-1)?.text ?? "" };
}

describe("the same task, whoever answers", () => {
  const shapes: string[][] = [];

  for (const wired of allWired) {
    test(wired.name, async () => {
      const { events, sent } = await play(wired);
      assert.equal(saidIn(events), "I look: é👋\nDone.");
      const results = resultsIn(events).map((text) => text.trim().split("\n")[0]);
      assert.deepEqual(results.toSorted(), ["failed", "one", "two"]);
      assert.ok(events.some(({ type }) => type === "session.error"));
      assert.match(sent, /c2VhbGVk|I should look/);
      shapes.push(typesOf(events));
    });
  }

  test("leaves the same events", () => {
    const [first] = shapes;
    assert.equal(shapes.length, allWired.length);
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

test("an alias is served by the model that it stands for", async () => {
  fakeOf("mistral").reply(wholeReply(wiredOf("mistral").wire, { text: ["It is me."] }));
  const { id } = await newSession(api.client, await prepare(api.client, "default"));
  assert.equal(saidIn(await turn(api.client, id, "go")), "It is me.");
  assert.match(fakeOf("mistral").requests.at(-1)?.text ?? "", /"model":"x"/);
});

const wiredOf = (name: string): Wired => allWired.find((wired) => wired.name === name) ?? assert.fail(name);

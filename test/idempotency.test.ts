import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { type CuttingProxy, startCuttingProxy } from "./harness/cutting-proxy.ts";
import { freePort } from "./harness/free-port.ts";
import { closeGate } from "./harness/gate.ts";
import { startProcesses } from "./harness/processes.ts";
import { clientOf, startTestServer } from "./harness/server.ts";
import {
  collected,
  follow,
  isIdle,
  isOf,
  listed,
  message,
  prepare,
  saidIn,
  typesOf,
} from "./harness/session.ts";

const first = await startTestServer();
const second = await startTestServer({ beside: first });
const facts = await prepare(first.client);
after(async () => {
  await second.close();
  await first.close();
});

let keys = 0;
const newKey = () => {
  keys += 1;
  return { headers: { "idempotency-key": `key-${keys}` } };
};
const either = (n: number) => (n % 2 === 0 ? first.client : second.client);

const create = (client: Anthropic, options?: Anthropic.RequestOptions, title = "t") =>
  client.beta.sessions.create(
    { agent: facts.agent_id, environment_id: facts.environment_id, title },
    options,
  );

const say = (client: Anthropic, id: string, options?: Anthropic.RequestOptions, text = "say hi") =>
  client.beta.sessions.events.send(id, { events: [message(text)] }, options);

const sessionsTitled = async (title: string) =>
  (await collected(first.client.beta.sessions.list({ limit: 100 }))).filter((one) => one.title === title);

const messagesOf = async (client: Anthropic, id: string) =>
  (await listed(client, id)).filter((event) => event.type === "user.message");

test("each create and send under a key is done once, by whichever server it comes to", async () => {
  const agentKey = newKey();
  const agents = [];
  for (const n of [0, 1, 2]) {
    agents.push(await either(n).beta.agents.create({ name: "once", model: "simulated" }, agentKey));
  }
  assert.deepEqual(agents, [agents[0], agents[0], agents[0]]);
  assert.equal(
    (await collected(first.client.beta.agents.list())).filter(({ name }) => name === "once").length,
    1,
  );

  const key = newKey();
  const session = await create(first.client, key);
  assert.equal((await create(second.client, key)).id, session.id);

  const following = [await follow(first.client, session.id), await follow(second.client, session.id)];
  const sendKey = newKey();
  const sent = [await say(first.client, session.id, sendKey), await say(second.client, session.id, sendKey)];
  assert.deepEqual(sent[1], sent[0]);
  for (const { until, close } of following) {
    const events = await until(isIdle);
    assert.equal(events.filter(({ type }) => type === "session.status_running").length, 1);
    assert.equal(saidIn(events), "hi");
    close();
  }
  assert.equal((await messagesOf(second.client, session.id)).length, 1);
  // The session is idle by now; what is replayed is the answer of then.
  assert.deepEqual(await say(second.client, session.id, sendKey), sent[0]);
  assert.equal((await messagesOf(first.client, session.id)).length, 1);
});

test("a session with initial events runs once, and is updated and archived once", async () => {
  const key = newKey();
  const params = {
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    initial_events: [{ type: "user.message" as const, content: [{ type: "text" as const, text: "say hi" }] }],
  };
  const { id } = await first.client.beta.sessions.create(params, key);
  const following = await follow(first.client, id);
  await following.until(isIdle);
  assert.equal((await second.client.beta.sessions.create(params, key)).id, id);
  const updateKey = newKey();
  for (const n of [0, 1]) await either(n).beta.sessions.update(id, { title: "new" }, updateKey);
  const archiveKey = newKey();
  for (const n of [0, 1]) await either(n).beta.sessions.archive(id, {}, archiveKey);
  await following.ended;
  const types = typesOf(following.events);
  for (const type of ["session.updated", "session.status_idle", "session.status_terminated"]) {
    assert.equal(types.filter((one) => one === type).length, 1, type);
  }
});

test("of fifty identical requests at once on two servers one takes effect", async () => {
  const key = newKey();
  const all = await Promise.all(Array.from({ length: 50 }, (_, n) => create(either(n), key, "of fifty")));
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.equal((await sessionsTitled("of fifty")).length, 1);
  const [session] = all;
  assert.ok(session);
  const sendKey = newKey();
  const sent = await Promise.all(Array.from({ length: 50 }, (_, n) => say(either(n), session.id, sendKey)));
  assert.equal(new Set(sent.map(({ data }) => data?.[0]?.id)).size, 1);
  assert.equal((await messagesOf(first.client, session.id)).length, 1);
});

test("a repeat on another server waits for the first, of which nothing is seen before its record is there", async () => {
  const { id } = await create(first.client);
  const following = await follow(first.client, id);
  const gate = await closeGate(first.db);
  const held = { headers: { "idempotency-key": "held-1" } };
  const one = say(first.client, id, held);
  await gate.reached();
  const two = say(second.client, id, held);
  assert.deepEqual(await messagesOf(second.client, id), []);
  assert.deepEqual(following.events, []);
  await gate.open();
  assert.deepEqual(await two, await one);
  await following.until(isIdle);
  assert.equal(
    following.events.filter(isOf("user.message")).length,
    2,
    "as it arrived and as it was taken up",
  );
  following.close();
});

describe("an owner that is killed between its effect and its record", () => {
  test("has done nothing, and the retry on another server does it once", async () => {
    const processes = await startProcesses();
    try {
      const [doomedPort, port] = [await freePort(), await freePort()];
      await processes.hands();
      const doomed = await processes.serve(doomedPort);
      const survivor = await processes.serve(port);
      const own = await prepare(survivor.client);
      const { id } = await survivor.client.beta.sessions.create({
        agent: own.agent_id,
        environment_id: own.environment_id,
      });
      // The first look at a session writes that it was seen, which would wait for the gate.
      await listed(survivor.client, id);
      const gate = await closeGate(processes.db);
      const held = { headers: { "idempotency-key": "held-2" }, maxRetries: 0 };
      const lost = assert.rejects(say(doomed.client, id, held), Anthropic.APIConnectionError);
      await gate.reached();
      await doomed.kill();
      await lost;
      const again = say(survivor.client, id, held);
      assert.deepEqual(await messagesOf(survivor.client, id), []);
      await gate.open();
      const { data } = await again;
      const messages = await messagesOf(survivor.client, id);
      assert.deepEqual(
        messages.map((event) => event.id),
        data?.map((event) => event.id),
      );
    } finally {
      await processes.close();
    }
  });
});

describe("the official SDK, when an answer is lost on its way", () => {
  let proxy: CuttingProxy;
  let client: Anthropic;

  before(async () => {
    proxy = await startCuttingProxy(first.url);
    client = clientOf(proxy.url);
  });
  after(() => proxy.close());

  test("tries again, and with a key nothing is done twice", async () => {
    proxy.cutNextAnswer();
    const { id } = await create(client, newKey(), "cut");
    assert.deepEqual(
      (await sessionsTitled("cut")).map((session) => session.id),
      [id],
    );
    proxy.cutNextAnswer();
    const { data } = await say(client, id, newKey());
    assert.deepEqual(
      (await messagesOf(first.client, id)).map((event) => event.id),
      data?.map((event) => event.id),
    );
    assert.equal(proxy.cuts(), 2);
  });

  test("without a key it is done twice", async () => {
    proxy.cutNextAnswer();
    await create(client, undefined, "cut without a key");
    assert.equal((await sessionsTitled("cut without a key")).length, 2);
  });
});

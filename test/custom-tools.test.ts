import assert from "node:assert/strict";
import { after, test } from "node:test";
import { BadRequestError } from "@anthropic-ai/sdk";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, listed, message, saidIn } from "./harness/session.ts";

const api = await startTestServer();
after(() => api.close());

const calls = 12;

/** An agent that has just called the tool so many times at once, and a stream of what follows. */
async function calledTwelveTimes() {
  const agent = await api.client.beta.agents.create({
    name: "host",
    model: "simulated",
    tools: [{ type: "custom", name: "look", description: "Looks", input_schema: { type: "object" } }],
  });
  const environment = await api.client.beta.environments.create({ name: "host" });
  const { id } = await api.client.beta.sessions.create({
    agent: agent.id,
    environment_id: environment.id,
    initial_events: [
      { type: "user.message", content: [{ type: "text", text: `repeat ${calls} call look {}\nthen\necho` }] },
    ],
  });
  const stream = await follow(api.client, id);
  const use = isOf("agent.custom_tool_use");
  const uses = (await stream.until(use, calls)).filter(use).map((event) => event.id);
  return { id, stream, uses };
}

const answer = (custom_tool_use_id: string | undefined, ...more: object[]) =>
  Object.assign({ type: "user.custom_tool_result", custom_tool_use_id }, ...more);

const says = (text: string) => ({ content: [{ type: "text", text }] });

test("twelve calls at once take answers empty, one by one and together, and each only once", async () => {
  const { id, stream, uses } = await calledTwelveTimes();
  const post = (...events: object[]) =>
    api.client.post(`/v1/sessions/${id}/events`, {
      body: { events },
      headers: { "anthropic-beta": "managed-agents-2026-04-01" },
    });
  const refused = async (says: RegExp, ...events: object[]) => {
    const before = await listed(api.client, id);
    await assert.rejects(
      post(...events),
      (error) => error instanceof BadRequestError && says.test(error.message),
    );
    assert.deepEqual(await listed(api.client, id), before);
  };
  const waits = (event: Parameters<typeof isIdle>[0]) =>
    isIdle(event) && event.stop_reason.type === "requires_action";

  await stream.until(waits);
  const oneByOne = [{}, { content: null }, { content: [] }, says(""), { ...says("odd"), is_error: true }];
  for (const [i, more] of oneByOne.entries()) {
    await post(answer(uses[i], more));
    const idle = (await stream.until(waits, i + 2)).at(-1);
    assert.ok(idle && isIdle(idle) && idle.stop_reason.type === "requires_action");
    assert.deepEqual(idle.stop_reason.event_ids, uses.slice(i + 1));
  }

  const notWaiting = /does not match any `agent\.custom_tool_use` event in this session that waits/;
  await refused(notWaiting, answer(uses[0], says("again")));
  await refused(notWaiting, answer(uses[5], says("good")), answer(uses[0], says("again")));
  await refused(/events\.1: answers the same call a second time/, answer(uses[5]), answer(uses[5]));

  const rest = uses.slice(oneByOne.length).toReversed();
  await post(...rest.map((use, i) => answer(use, says(`rest ${i}`))));
  const events = await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
  assert.equal(saidIn(events), ["odd", ...rest.map((_, i) => `rest ${i}`)].join("\n"));
  await refused(notWaiting, answer(uses[11], says("late")));

  const result = isOf("user.custom_tool_result");
  const kept = (await listed(api.client, id)).filter(result);
  assert.deepEqual(kept.map((event) => event.custom_tool_use_id).toSorted(), uses.toSorted());
  assert.deepEqual(kept[1]?.content, []);
  await post(message("say still here"));
  await stream.until((event) => saidIn([event]) === "still here");
  stream.close();
});

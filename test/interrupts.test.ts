import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { startTestServer } from "./harness/server.ts";
import {
  type Following,
  follow,
  isIdle,
  isOf,
  message,
  newSession,
  prepare,
  resultsIn,
  type StreamEvent,
  saidIn,
  send,
} from "./harness/session.ts";

const api = await startTestServer();
const facts = await prepare(api.client);
after(() => api.close());

const interrupt = { type: "user.interrupt" } as const;
const isResult = isOf("agent.tool_result");
const isRequest = isOf("span.model_request_start");

/** Prints and goes on for ever; `name` is a file that says that it has printed. */
const endless = (name: string) =>
  `echo printed ${name}; echo yes > ${name}; while :; do sleep 0.05; echo tick >> ${name}.ticks; done`;

async function started(text: string): Promise<{ id: string; following: Following }> {
  const { id } = await newSession(api.client, facts);
  const following = await follow(api.client, id);
  await send(api.client, id, message(text));
  return { id, following };
}

const stopReasons = (events: StreamEvent[]) =>
  events.filter(isIdle).map(({ stop_reason }) => stop_reason.type);

/** The turn has ended with usage before it, the interrupt was taken up, and the session rests for everyone. */
async function assertEnded(id: string, events: StreamEvent[]): Promise<void> {
  const taken = events.filter((event) => event.type === "user.interrupt" && event.processed_at);
  assert.equal(taken.length, 1);
  assert.deepEqual(stopReasons(events), ["end_turn"]);
  assert.equal(events.at(-2)?.type, "session.usage");
  assert.equal((await api.client.beta.sessions.retrieve(id)).status, "idle");
}

describe("an interrupt", () => {
  test("stops a command that would never end, and keeps what it had printed", async () => {
    const { id, following } = await started(`bash ${endless("a")}\nthen\nsay never said`);
    await api.workspace(id).written("a");
    await send(api.client, id, interrupt);
    const events = await following.until(isIdle);
    await assertEnded(id, events);
    assert.match(resultsIn(events)[0] ?? "", /printed a/);
    assert.equal(events.filter(isRequest).length, 1, "the model was asked again");
    // The next command finds that the first one writes no more.
    await send(
      api.client,
      id,
      message(
        "bash a=$(wc -l < a.ticks); sleep 0.3; b=$(wc -l < a.ticks); [ $a = $b ] && echo stopped\nthen\nsay ok",
      ),
    );
    assert.match(resultsIn(await following.until(isIdle, 2))[1] ?? "", /stopped/);
    following.close();
  });

  test("stops each of several parallel commands, and keeps what those that were done have answered", async () => {
    const text = `bash ${endless("a")}\nbash echo quick; echo yes > quick\nbash ${endless("b")}`;
    const { id, following } = await started(text);
    // One shell runs them one after the other or side by side; the first one at least is running.
    await api.workspace(id).written("a");
    await send(api.client, id, interrupt);
    const events = await following.until(isIdle);
    await assertEnded(id, events);
    const uses = events.filter(isOf("agent.tool_use")).map((event) => event.id);
    assert.deepEqual(
      events
        .filter(isResult)
        .map((event) => event.tool_use_id)
        .toSorted(),
      uses.toSorted(),
    );
    const first = events.filter(isResult).filter((event) => event.tool_use_id === uses[0]);
    assert.match(resultsIn(first)[0] ?? "", /printed a/);
    following.close();
  });

  test("leaves a job alone that a command had put into the background", async () => {
    const job = "(while [ ! -e go ]; do sleep 0.02; done; echo done > job) & echo off";
    const { id, following } = await started(`bash ${job}\nthen\nbash ${endless("a")}`);
    await api.workspace(id).written("a");
    await send(api.client, id, interrupt);
    await assertEnded(id, await following.until(isIdle));
    api.workspace(id).release();
    assert.equal(await api.workspace(id).written("job"), "done\n");
    following.close();
  });

  test("while the model streams ends the request, and nothing of its answer is kept", async () => {
    const { id, following } = await started("say hello\nhang");
    await following.until(isRequest);
    await send(api.client, id, interrupt);
    const events = await following.until(isIdle);
    await assertEnded(id, events);
    assert.equal(saidIn(events), "");
    following.close();
  });

  test("while a request waits to be tried again ends the turn", async () => {
    const { id, following } = await started("fail overloaded 5\nsay never said");
    await following.until(isOf("session.status_rescheduled"));
    await send(api.client, id, interrupt);
    const events = await following.until(isIdle);
    await assertEnded(id, events);
    assert.equal(saidIn(events), "");
    following.close();
  });

  test("twice in a row ends one turn, and both are taken up", async () => {
    const { id, following } = await started(`bash ${endless("a")}`);
    await api.workspace(id).written("a");
    const sent = await Promise.all([send(api.client, id, interrupt), send(api.client, id, interrupt)]);
    const ids = sent.flatMap(({ data }) => (data ?? []).map((event) => event.id));
    const isTaken = (event: StreamEvent) =>
      event.type === "user.interrupt" && ids.includes(event.id) && event.processed_at !== null;
    await following.until(isTaken, 2);
    await following.until(isIdle);
    await send(api.client, id, message("say still here"));
    const events = await following.until(isIdle, 2);
    assert.deepEqual(stopReasons(events), ["end_turn", "end_turn"]);
    assert.equal(saidIn(events), "still here");
    following.close();
  });

  test("with a message behind it turns a running command into something else", async () => {
    const { id, following } = await started(`bash ${endless("a")}\nthen\nsay never said`);
    await api.workspace(id).written("a");
    await send(api.client, id, interrupt, message("say instead"));
    const events = await following.until(isIdle, 2);
    assert.deepEqual(stopReasons(events), ["end_turn", "end_turn"]);
    assert.equal(saidIn(events), "instead");
    assert.match(resultsIn(events)[0] ?? "", /printed a/);
    following.close();
  });

  test("of a session that waits for its client settles the calls, and asks nobody", async () => {
    const agent = await api.client.beta.agents.create({
      name: "asking",
      model: "simulated",
      tools: [
        { type: "agent_toolset_20260401", default_config: { permission_policy: { type: "always_ask" } } },
        { type: "custom", name: "weather", description: "Tells it", input_schema: { type: "object" } },
      ],
    });
    const { id } = await newSession(api.client, { ...facts, agent_id: agent.id });
    const following = await follow(api.client, id);
    await send(api.client, id, message("bash true\ncall weather\nthen\nsay never said"));
    await following.until(isIdle);
    await send(api.client, id, interrupt);
    const events = await following.until(isIdle, 2);
    assert.deepEqual(stopReasons(events), ["requires_action", "end_turn"]);
    assert.deepEqual(
      resultsIn(events),
      Array(2).fill("Tool execution was interrupted before completion. Please retry."),
    );
    assert.equal(events.filter(isRequest).length, 1);
    following.close();
  });
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { EventStreamParams } from "@anthropic-ai/sdk/resources/beta/sessions/events";
import { previewNotifications } from "./harness/preview-notifications.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import {
  type Facts,
  type Following,
  follow,
  isIdle,
  isOf,
  message,
  newSession,
  prepare,
  send,
} from "./harness/session.ts";

const turns = 16;
const toolTurn = "bash true\nthen\nsay hi";

/**
 * The least of several turns is what a turn costs: a brain's round looks for work every second, and is counted with a turn
 * when the two meet.
 */
async function leastOf(servers: TestServer[], turn: (n: number) => Promise<void>): Promise<number> {
  const counted = () => servers.reduce((sum, { server }) => sum + server.statementCount(), 0);
  const counts: number[] = [];
  for (let n = 1; n <= turns; n += 1) {
    const before = counted();
    await turn(n);
    counts.push(counted() - before);
  }
  return Math.min(...counts);
}

/** Statements of a turn on a session that is streamed, tail reads included. */
async function statementsOf(
  servers: TestServer[],
  clients: { sends: TestServer; streams: TestServer },
  facts: Facts,
  turn: (id: string, following: Following, n: number) => Promise<unknown>,
  params: EventStreamParams = {},
): Promise<number> {
  const { id } = await newSession(clients.sends.client, facts);
  const following = await follow(clients.streams.client, id, params);
  const least = await leastOf(servers, async (n) => {
    await turn(id, following, n);
  });
  following.close();
  return least;
}

describe("one server", () => {
  let api: TestServer;
  let facts: Facts;
  before(async () => {
    api = await startTestServer();
    facts = await prepare(api.client);
  });
  after(() => api.close());

  const costOf = (text: string, params: EventStreamParams = {}) =>
    statementsOf(
      [api],
      { sends: api, streams: api },
      facts,
      async (id, following, n) => {
        await send(api.client, id, message(text));
        await following.until(isIdle, n);
      },
      params,
    );

  test("a turn without tools costs four statements", async () => {
    assert.equal(await costOf("say hi"), 4);
  });

  test("a turn with one tool costs six statements", async () => {
    assert.equal(await costOf(toolTurn), 6);
  });

  test("a turn with three parallel tools costs no more than their results need", async () => {
    assert.ok((await costOf("bash true\nbash true\nbash true\nthen\nsay hi")) <= 8);
  });

  test("previews that a stream of the same server asked for cost none", async () => {
    assert.equal(await costOf("say hi", { event_deltas: ["agent.message"] }), 4);
  });

  /** A turn that stops once for its client, who answers the call that it asks about. */
  const costWithAnswer = async (
    tools: Parameters<typeof api.client.beta.agents.create>[0]["tools"],
    text: string,
    answerTo: (id: string) => Parameters<typeof send>[2],
  ) => {
    const agent = await api.client.beta.agents.create({ name: "asking", model: "simulated", tools });
    return statementsOf(
      [api],
      { sends: api, streams: api },
      { ...facts, agent_id: agent.id },
      async (id, following, n) => {
        await send(api.client, id, message(text));
        const asked = (await following.until(isIdle, 2 * n - 1)).findLast(isIdle)?.stop_reason;
        const [call = ""] = asked?.type === "requires_action" ? asked.event_ids : [];
        await send(api.client, id, answerTo(call));
        await following.until(isIdle, 2 * n);
      },
    );
  };

  test("a turn that waits for an approval costs nine statements", async () => {
    const asking = { permission_policy: { type: "always_ask" } } as const;
    const tools = [{ type: "agent_toolset_20260401" as const, default_config: asking }];
    const answer = (id: string) =>
      ({ type: "user.tool_confirmation", tool_use_id: id, result: "allow" }) as const;
    assert.equal(await costWithAnswer(tools, toolTurn, answer), 9);
  });

  test("a turn that waits for a tool of the client costs eight statements", async () => {
    const tools = [
      {
        type: "custom" as const,
        name: "weather",
        description: "Tells it",
        input_schema: { type: "object" as const },
      },
    ];
    const answer = (id: string) => ({ type: "user.custom_tool_result", custom_tool_use_id: id }) as const;
    assert.equal(await costWithAnswer(tools, "call weather\nthen\nsay hi", answer), 8);
  });
});

describe("two servers", () => {
  let first: TestServer;
  let second: TestServer;
  let facts: Facts;
  before(async () => {
    first = await startTestServer();
    second = await startTestServer({ beside: first });
    facts = await prepare(first.client);
  });
  after(async () => {
    await second.close();
    await first.close();
  });

  /** The client streams from one and sends to the other, which drives the session unless the first is quicker. */
  const costOf = (text: string, params: EventStreamParams = {}) =>
    statementsOf(
      [first, second],
      { sends: second, streams: first },
      facts,
      async (id, following, n) => {
        await send(second.client, id, message(text));
        await following.until(isIdle, n);
      },
      params,
    );

  test("a turn without tools costs at most nine statements", async () => {
    const cost = await costOf("say hi");
    assert.ok(cost <= 9, `${cost} statements`);
  });

  test("a turn with one tool costs at most thirteen statements", async () => {
    const cost = await costOf(toolTurn);
    assert.ok(cost <= 13, `${cost} statements`);
  });
});

/**
 * A notification is a statement. They are counted as they are heard: which of several servers drives a session, and how
 * many appends one look at its log finds, changes the rest of what a turn costs.
 */
describe("previews for a stream of another server", () => {
  const turnsOf = async (api: TestServer, facts: Facts, params: EventStreamParams) => {
    const { id } = await newSession(api.client, facts);
    const following = await follow(api.client, id, params);
    for (let n = 1; n <= turns; n += 1) {
      await send(api.client, id, message("say hi"));
      await following.until(isIdle, n);
    }
    following.close();
    return { id, said: following.events.filter(isOf("agent.message")).map((event) => event.id) };
  };

  test("cost two notifications for a short message, and none where nobody asked", async () => {
    const drives = await startTestServer({ roles: ["brain"] });
    const streams = await startTestServer({ beside: drives, roles: ["api"] });
    const notified = await previewNotifications(drives.db);
    const facts = await prepare(streams.client);
    const plain = await turnsOf(streams, facts, {});
    const asked = await turnsOf(streams, facts, { event_deltas: ["agent.message"] });
    // What it has to say, it has said once it has stopped.
    await drives.stop();
    const heard = await notified.all();
    const shown = heard.filter((payload) => payload.includes(" show "));
    assert.equal(shown.filter((payload) => payload.includes(plain.id)).length, 0);
    // The first turn may begin before the wish is heard.
    const [, ...wished] = asked.said;
    assert.equal(wished.length, turns - 1);
    assert.deepEqual(
      wished.map((id) => shown.filter((payload) => payload.includes(id)).length),
      wished.map(() => 2),
    );
    await streams.close();
    await drives.close();
  });
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { cents60, limit, reasonOf, refusal } from "./harness/budgets.ts";
import { startTestServer } from "./harness/server.ts";
import {
  collected,
  type EventOf,
  follow,
  isIdle,
  isOf,
  listed,
  message,
  prepare,
  resultsIn,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";

const api = await startTestServer();
const facts = await prepare(api.client);
after(() => api.close());

async function budgeted(
  amount: string,
  agent: Parameters<typeof api.client.beta.sessions.create>[0]["agent"],
) {
  return api.client.beta.sessions.create({
    agent,
    environment_id: facts.environment_id,
    budget: limit(amount),
  });
}

/** The agent, asking before it runs a command. */
const asking = () => ({
  type: "agent_with_overrides" as const,
  id: facts.agent_id,
  tools: [
    {
      type: "agent_toolset_20260401" as const,
      configs: [{ name: "bash" as const, permission_policy: { type: "always_ask" as const } }],
    },
  ],
});

describe("a budget", () => {
  test("lets the request that crosses it finish, stops before the next, and goes on when it is raised", async () => {
    const { id } = await budgeted("100", facts.agent_id);
    const following = await follow(api.client, id);
    await send(
      api.client,
      id,
      message(`${cents60}\nbash echo one\nthen\n${cents60}\nbash echo two\nthen\nsay end`),
    );
    const stopped = await following.until(isIdle);
    assert.deepEqual(typesOf(stopped).slice(-3), [
      "session.thread_status_idle",
      "session.usage",
      "session.status_idle",
    ]);
    assert.equal(reasonOf(stopped.at(-1)), "budget_reached");
    assert.equal(
      (stopped.at(-3) as EventOf<"session.thread_status_idle">).stop_reason.type,
      "budget_reached",
    );
    assert.deepEqual(
      resultsIn(stopped).map((text) => text.trim()),
      ["one", "two"],
    );
    const usage = stopped.at(-2) as EventOf<"session.usage">;
    assert.deepEqual(usage.usage.list_cost, { amount: "120", currency: "USD" });
    assert.deepEqual(usage.budget, limit("100"));

    const session = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(session.usage.list_cost, { amount: "120", currency: "USD" });
    assert.deepEqual(session.budget, limit("100"));
    assert.equal((session as { waiting_for?: { type: string } }).waiting_for?.type, "budget");

    await api.client.beta.sessions.update(id, { budget: limit("500") });
    const all = await following.until(isIdle, 2);
    following.close();
    assert.equal(reasonOf(all.at(-1)), "end_turn");
    assert.equal(saidIn(all), "end");
    const updated = all.find(isOf("session.updated"));
    assert.deepEqual(updated?.budget, limit("500"));
    assert.equal(typesOf(all).filter((type) => type === "session.status_running").length, 2);
  });

  test("that the last request of a turn crosses: the thread ends its turn, the session has reached it", async () => {
    const { id } = await budgeted("50", facts.agent_id);
    const events = await turn(api.client, id, `${cents60}\nsay done`);
    assert.equal(reasonOf(events.at(-1)), "budget_reached");
    assert.equal((events.at(-3) as EventOf<"session.thread_status_idle">).stop_reason.type, "end_turn");
    await api.client.beta.sessions.update(id, { budget: null });
    const next = await turn(api.client, id, `${cents60}\nsay more`);
    assert.equal(reasonOf(next.at(-1)), "end_turn");
    assert.equal((next.at(-2) as EventOf<"session.usage">).budget, null);
    assert.equal((await api.client.beta.sessions.retrieve(id)).budget, null);
  });

  test("that is used up lets in answers alone; an interrupt is ignored and listed nowhere", async () => {
    const { id } = await budgeted("50", facts.agent_id);
    await turn(api.client, id, `${cents60}\nbash true`);
    const before = await listed(api.client, id);
    for (const event of [message("more"), { type: "user.define_outcome" }, { type: "system.message" }]) {
      await assert.rejects(
        send(api.client, id, event as ReturnType<typeof message>),
        Anthropic.BadRequestError,
      );
    }
    await assert.rejects(
      send(api.client, id, message("more")),
      refusal(null, /user\.tool_confirmation, user\.tool_result, user\.custom_tool_result, user\.interrupt/),
    );
    const { data } = await send(api.client, id, { type: "user.interrupt" });
    assert.deepEqual(
      data?.map(({ type }) => type),
      ["user.interrupt"],
    );
    assert.deepEqual(await listed(api.client, id), before);
    assert.equal((await api.client.beta.sessions.archive(id)).status, "terminated");
  });

  test("is outranked by what the client has to answer, and an answer is not followed by a request", async () => {
    const { id } = await budgeted("50", asking());
    const following = await follow(api.client, id);
    await send(api.client, id, message(`${cents60}\nbash echo asked`));
    const asked = await following.until(isIdle);
    assert.equal(reasonOf(asked.at(-1)), "requires_action");
    const waits = (await api.client.beta.sessions.retrieve(id)) as { waiting_for?: { type: string } };
    assert.equal(waits.waiting_for?.type, "requires_action");
    await assert.rejects(send(api.client, id, message("more")), refusal(null, /budget is used up/));
    const call = asked.find(isOf("agent.tool_use"));
    await send(api.client, id, {
      type: "user.tool_confirmation",
      tool_use_id: call?.id ?? "",
      result: "allow",
    });
    const done = await following.until(isIdle, 2);
    following.close();
    assert.equal(reasonOf(done.at(-1)), "budget_reached");
    assert.deepEqual(
      resultsIn(done).map((text) => text.trim()),
      ["asked"],
    );
    assert.equal(typesOf(done).filter((type) => type === "span.model_request_start").length, 1);
  });

  test("that is used up lets an interrupt stop what an answer has set running", async () => {
    const { id } = await budgeted("50", asking());
    const following = await follow(api.client, id);
    await send(api.client, id, message(`${cents60}\nbash sleep 600`));
    const call = (await following.until(isIdle)).find(isOf("agent.tool_use"));
    await send(api.client, id, {
      type: "user.tool_confirmation",
      tool_use_id: call?.id ?? "",
      result: "allow",
    });
    await following.until(isOf("session.status_running"), 2);
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle, 2);
    following.close();
    assert.equal(reasonOf(events.at(-1)), "budget_reached");
    assert.equal((events.at(-3) as EventOf<"session.thread_status_idle">).stop_reason.type, "end_turn");
    assert.equal((await listed(api.client, id)).filter(isOf("user.interrupt")).length, 1);
  });

  test("is raised only above what was spent, not added later, and not brought back", async () => {
    const { id } = await budgeted("50", facts.agent_id);
    await turn(api.client, id, `${cents60}\nsay done`);
    const before = await listed(api.client, id);
    for (const amount of ["1", "50", "60"]) {
      await assert.rejects(
        api.client.beta.sessions.update(id, { budget: limit(amount), title: "not either" }),
        refusal("budget_not_raised", /must be greater than the session's consumed list cost/),
      );
    }
    assert.deepEqual(await listed(api.client, id), before);
    assert.equal((await api.client.beta.sessions.retrieve(id)).title, null);
    await api.client.beta.sessions.update(id, { budget: limit("61") });
    await api.client.beta.sessions.update(id, { budget: limit("61") });
    await api.client.beta.sessions.update(id, { budget: null });
    const updates = (await listed(api.client, id)).filter((event) => event.type === "session.updated");
    assert.deepEqual(
      updates.map((event) => event.budget),
      [limit("61"), null],
    );
    await assert.rejects(
      api.client.beta.sessions.update(id, { budget: limit("500") }),
      refusal("budget_create_only", /budget: can only be set/),
    );
  });

  test("that is lowered under way stops the turn at once", async () => {
    const { id } = await budgeted("100000", facts.agent_id);
    const following = await follow(api.client, id);
    await send(api.client, id, message(`${cents60}\nbash echo one\nthen\nwait 60s\nsay never`));
    await following.until(isOf("span.model_request_start"), 2);
    await api.client.beta.sessions.update(id, { budget: limit("61") });
    await send(
      api.client,
      id,
      { type: "user.interrupt" },
      message("usage in=20000\nbash true\nthen\nsay never"),
    );
    const events = await following.until((event) => isIdle(event) && reasonOf(event) === "budget_reached");
    following.close();
    assert.doesNotMatch(saidIn(events), /never/);
  });
});

describe("what a session costs", () => {
  test("counts every kind of token at its price, failed requests too", async () => {
    const { id } = await api.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
    });
    // 1.00 + 5.00 + 0.10 + 1.25 + 2.00 dollars.
    await turn(
      api.client,
      id,
      "usage in=1000000 out=1000000 cache_read=1000000 cache_5m=1000000 cache_1h=1000000\nsay dear",
    );
    const { usage } = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(usage.list_cost, { amount: "935", currency: "USD" });
    await turn(api.client, id, "usage in=1000000\nsay a\nfail billing\nsay b");
    const then = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(then.usage.list_cost, { amount: "1035", currency: "USD" });
    const [thread] = await collected(api.client.beta.sessions.threads.list(id));
    assert.deepEqual(thread?.usage?.list_cost, then.usage.list_cost);
  });

  test("is not known without a list price", async () => {
    const { id } = await api.client.beta.sessions.create({
      agent: { type: "agent_with_overrides", id: facts.agent_id, model: { id: "simulated", speed: "fast" } },
      environment_id: facts.environment_id,
    });
    const events = await turn(api.client, id, "say hi");
    assert.equal(events.find(isOf("session.usage"))?.usage.list_cost, undefined);
    assert.equal((await api.client.beta.sessions.retrieve(id)).usage.list_cost, undefined);
    await assert.rejects(
      budgeted("100", {
        type: "agent_with_overrides",
        id: facts.agent_id,
        model: { id: "simulated", speed: "fast" },
      }),
      refusal("model_not_budgetable", /simulated at fast speed.*DROVER_PRICES/),
    );
  });
});

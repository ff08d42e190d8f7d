import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { noCaps } from "../src/config.ts";
import { listPrices } from "../src/models/price-table.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "./harness/server.ts";
import {
  collected,
  type EventOf,
  type Facts,
  follow,
  isIdle,
  isOf,
  listed,
  message,
  prepare,
  resultsIn,
  type StreamEvent,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";

let api: TestServer;
let facts: Facts;
before(async () => {
  api = await startTestServer();
  facts = await prepare(api.client);
});
after(() => api.close());

const limit = (amount: string) => ({
  type: "limit" as const,
  max_list_cost: { amount, currency: "USD" as const },
});

/** The simulated model costs a dollar per million tokens in, so this costs 60 cents. */
const cents60 = "usage in=600000";

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

const reasonOf = (event: StreamEvent | undefined) =>
  (event as EventOf<"session.status_idle">).stop_reason.type;
const refusal = (code: string | null, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Anthropic.BadRequestError);
  assert.match(error.message, says);
  if (code) assert.match(error.message, new RegExp(code));
  return true;
};

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

describe("caps of the server", () => {
  async function withServer<T>(
    options: TestServerOptions,
    use: (capped: TestServer, facts: Facts) => Promise<T>,
  ): Promise<T> {
    const capped = await startTestServer(options);
    try {
      return await use(capped, await prepare(capped.client));
    } finally {
      await capped.close();
    }
  }

  test("of an agent and a day end a turn with a billing error, and leave other agents alone", () =>
    withServer({ spending: { caps: { ...noCaps, per_agent_day: 1 } } }, async ({ client }, facts) => {
      const session = () =>
        client.beta.sessions.create({ agent: facts.agent_id, environment_id: facts.environment_id });
      const first = await turn(
        client,
        (await session()).id,
        `${cents60}\nbash true\nthen\n${cents60}\nsay done`,
      );
      assert.equal(reasonOf(first.at(-1)), "end_turn");
      const { id } = await session();
      const second = await turn(client, id, "say never");
      const error = second.find(isOf("session.error"))?.error;
      assert.equal(error?.type, "billing_error");
      assert.equal(error?.retry_status.type, "exhausted");
      assert.match(
        error?.message ?? "",
        /spent \$1\.20 on \d{4}-\d\d-\d\d \(UTC\).*allows \$1\.00.*DROVER_CAP_PER_AGENT_DAY/,
      );
      assert.equal(reasonOf(second.at(-1)), "retries_exhausted");
      assert.equal(typesOf(second).includes("span.model_request_start"), false);
      const others = await prepare(client);
      const other = await client.beta.sessions.create({
        agent: others.agent_id,
        environment_id: others.environment_id,
      });
      assert.equal(saidIn(await turn(client, other.id, "say mine")), "mine");
    }));

  test("of a workspace hold for all its agents", () =>
    withServer({ spending: { caps: { ...noCaps, per_workspace: 0.5 } } }, async ({ client }, facts) => {
      const make = (agent: string) =>
        client.beta.sessions.create({ agent, environment_id: facts.environment_id });
      await turn(client, (await make(facts.agent_id)).id, `${cents60}\nsay done`);
      const others = await prepare(client);
      const events = await turn(client, (await make(others.agent_id)).id, "say never");
      assert.match(events.find(isOf("session.error"))?.error.message ?? "", /DROVER_CAP_PER_WORKSPACE\./);
    }));

  test("count a judge too: its agent may not begin to need one that has no price", () => {
    const { "claude-haiku-5-5": _, ...models } = listPrices.models;
    const prices = { ...listPrices, models };
    const spending = { caps: { ...noCaps, per_agent: 1 } };
    return withServer({ spending, prices }, async ({ client }, facts) => {
      const { id } = await client.beta.sessions.create({
        agent: { type: "agent_with_overrides", id: facts.agent_id, model: "claude-sonnet-5-5" },
        environment_id: facts.environment_id,
      });
      const before = await listed(client, id);
      const tools = (type: "auto" | "always_ask") => [
        { type: "agent_toolset_20260401" as const, default_config: { permission_policy: { type } } },
      ];
      await assert.rejects(
        client.beta.sessions.update(id, { agent: { tools: tools("auto") } }),
        refusal("model_not_budgetable", /caps .*claude-sonnet-5-5/),
      );
      assert.deepEqual(await listed(client, id), before);
      await client.beta.sessions.update(id, { agent: { tools: tools("always_ask") } });
    });
  });

  test("need a price to count", () =>
    withServer({ spending: { caps: { ...noCaps, per_agent: 1 } } }, async ({ client }, facts) => {
      await assert.rejects(
        client.beta.sessions.create({
          agent: { type: "agent_with_overrides", id: facts.agent_id, model: "unheard-of" },
          environment_id: facts.environment_id,
        }),
        refusal("model_not_budgetable", /caps .*unheard-of/),
      );
    }));

  test("time costs what the server says", () =>
    withServer({ spending: { runtime_price: 36_000 } }, async ({ client }, facts) => {
      const { id } = await client.beta.sessions.create({
        agent: facts.agent_id,
        environment_id: facts.environment_id,
        budget: limit("1000000"),
      });
      const events = await turn(client, id, "bash sleep 0.2\nthen\nsay done");
      const { usage } = events.find(isOf("session.usage")) ?? {};
      // Ten dollars a second.
      assert.equal(Number(usage?.list_cost?.amount), Math.round((usage?.active_seconds ?? 0) * 1000));
    }));
});

test("a session whose model has lost its price is stopped by its budget and by caps", async () => {
  const first = await startTestServer();
  const facts = await prepare(first.client);
  const make = (budget?: ReturnType<typeof limit>) =>
    first.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      budget,
    });
  const budgeted = await make(limit("100"));
  const plain = await make();
  await first.stop();
  const { simulated: _, ...models } = listPrices.models;
  const prices = { ...listPrices, models };
  const caps = { ...noCaps, per_agent: 1 };
  const capped = await startTestServer({ beside: first, prices, spending: { caps } });
  try {
    const { client } = capped;
    const stopped = await turn(client, budgeted.id, "say never");
    assert.equal(reasonOf(stopped.at(-1)), "budget_reached");
    await assert.rejects(
      client.beta.sessions.update(budgeted.id, { budget: limit("500") }),
      refusal("model_not_budgetable", /simulated.*DROVER_PRICES/),
    );
    await client.beta.sessions.update(budgeted.id, { title: "still to be named" });
    const events = await turn(client, plain.id, "say never");
    assert.equal(reasonOf(events.at(-1)), "retries_exhausted");
    assert.match(events.find(isOf("session.error"))?.error.message ?? "", /caps .*simulated.*DROVER_PRICES/);
    assert.equal(typesOf([...stopped, ...events]).includes("span.model_request_start"), false);
  } finally {
    await capped.stop();
    await first.close();
  }
});

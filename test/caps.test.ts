import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noCaps } from "../src/config.ts";
import { listPrices } from "../src/models/price-table.ts";
import { cents60, limit, reasonOf, refusal } from "./harness/budgets.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "./harness/server.ts";
import { type Facts, isOf, listed, prepare, saidIn, turn, typesOf } from "./harness/session.ts";

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

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { limit } from "./harness/budgets.ts";
import { startTestServer } from "./harness/server.ts";
import { isOf, listed, prepare, typesOf } from "./harness/session.ts";

const api = await startTestServer();
const facts = await prepare(api.client);
after(() => api.close());

const session = async () => {
  const { id } = await api.client.beta.sessions.create({
    agent: facts.agent_id,
    environment_id: facts.environment_id,
    budget: limit("100"),
  });
  return id;
};

/** What is changed by others after the update has read the session and before it writes. */
async function overtaken(id: string, update: () => Promise<unknown>, change: string): Promise<unknown> {
  const other = await api.db.connect();
  try {
    await other.query("begin");
    await other.query("select from session_head where session_id = $1 for update", [id]);
    const updating = update().catch((error: unknown) => error);
    const waiting = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%update session s set title%'`;
    let over = false;
    updating.finally(() => {
      over = true;
    });
    while (!over && (await api.db.query({ name: "update_waits", text: waiting }, [])).length === 0);
    assert.equal(over, false, "the update did not wait");
    await other.query(change, [id]);
    await other.query("commit");
    return await updating;
  } finally {
    await other.end();
  }
}

const head = (change: string) => `update session_head set ${change} where session_id = $1`;
const update = (params: Parameters<typeof api.client.beta.sessions.update>[1]) => (id: string) =>
  api.client.beta.sessions.update(id, params);
const changes = [
  ["begins to run", update({ agent: { tools: [] } }), head("status = 'running'"), /only while it is idle/],
  ["spends more", update({ budget: limit("50") }), head("spent_nano = 500000000"), /budget_not_raised/],
  ["loses its budget", update({ budget: limit("50") }), head("budget_cents = null"), /budget_create_only/],
  ["is archived", update({ title: "new" }), head("status = 'terminated'"), /archived and cannot be updated/],
] as const;

describe("an update of a session that meanwhile", () => {
  for (const [what, update, change, refused] of changes) {
    test(`${what} is judged by what it is then`, async () => {
      const id = await session();
      const error = await overtaken(id, () => update(id), change);
      assert.match(String(error), refused);
      assert.deepEqual(typesOf(await listed(api.client, id)), []);
    });
  }

  test("got another budget tells what holds in the end", async () => {
    const id = await session();
    const error = await overtaken(
      id,
      () => api.client.beta.sessions.update(id, { budget: limit("300") }),
      head("budget_cents = 300"),
    );
    assert.ok(!(error instanceof Error));
    assert.deepEqual(typesOf(await listed(api.client, id)), []);
  });

  test("is at its cap stays there, unless it is the budget that changes", async () => {
    const id = await session();
    const atCap = head("at_cap = true, spent_nano = 1500000000");
    await overtaken(id, () => api.client.beta.sessions.update(id, { title: "new" }), atCap);
    const say = { type: "user.message" as const, content: [{ type: "text" as const, text: "say hi" }] };
    await assert.rejects(api.client.beta.sessions.events.send(id, { events: [say] }), /budget is used up/);
    await api.client.beta.sessions.update(id, { budget: limit("200") });
    await api.client.beta.sessions.events.send(id, { events: [say] });
  });

  test("gets others at once: each is told once, and the last one holds", async () => {
    const id = await session();
    const amounts = ["200", "300", "400", "500", "600"];
    await Promise.all(
      amounts.map((amount) => api.client.beta.sessions.update(id, { budget: limit(amount) })),
    );
    const told = (await listed(api.client, id)).filter(isOf("session.updated"));
    assert.deepEqual(told.map(({ budget }) => budget?.max_list_cost.amount).toSorted(), amounts);
    assert.deepEqual((await api.client.beta.sessions.retrieve(id)).budget, told.at(-1)?.budget);
  });
});

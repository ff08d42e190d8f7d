import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { UsageReport, UsageResult } from "../src/protocol/usage.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, isIdle, message, newSession, prepare, send, turn } from "./harness/session.ts";

type Client = TestServer["client"];
type Query = Record<string, string | number | string[]>;

const today = () => new Date().toISOString().slice(0, 10);
const since = "2020-01-01T00:00:00Z";
const dayBefore = () => `${new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`;

function read(client: Client, query: Query = {}): Promise<UsageReport> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ starting_at: dayBefore(), ...query })) {
    if (Array.isArray(value)) for (const one of value) search.append(`${name}[]`, one);
    else search.append(name, String(value));
  }
  return client.get(`/v1/usage?${search}`);
}

const resultsOf = async (client: Client, query: Query = {}) =>
  (await read(client, query)).data.flatMap(({ results }) => results);
const onlyOf = async (client: Client, query: Query = {}): Promise<UsageResult> => {
  const [only, ...more] = await resultsOf(client, query);
  assert.ok(only && more.length === 0, JSON.stringify([only, ...more]));
  return only;
};

/** In dollars per million tokens, which is thousands of billionths per token. */
const rates = { input: 1, output: 2, cache_write_5m: 3, cache_write_1h: 5, cache_read: 7 };

describe("what a workspace has used", () => {
  let api: TestServer;
  let second: TestServer;
  let facts: Facts;
  before(async () => {
    const prices = { as_of: "2026-11-01", models: { simulated: rates } };
    const models = { providers: { own: { type: "simulated" } }, aliases: { "=1+1": "simulated" } } as never;
    api = await startTestServer({ prices, models });
    second = await startTestServer({ beside: api, prices, models });
    facts = await prepare(api.client);
  });
  after(async () => {
    await second.close();
    await api.close();
  });

  const tokens = "usage in=10 out=20 cache_read=30 cache_5m=40 cache_1h=50";

  test("is what its sessions say that they have used, on every server, and stays when they are deleted", async () => {
    const { id } = await newSession(api.client, facts);
    for (let i = 0; i < 3; i += 1)
      await turn(i % 2 ? second.client : api.client, id, `${tokens}\nbash true\nthen\nsay hi`);
    const { usage } = await api.client.beta.sessions.retrieve(id);
    const used = await onlyOf(second.client, { session_id: id });
    assert.equal(used.input_tokens, usage.input_tokens);
    assert.equal(used.output_tokens, usage.output_tokens);
    assert.equal(used.cache_read_input_tokens, usage.cache_read_input_tokens);
    assert.deepEqual(used.cache_creation, usage.cache_creation);
    assert.equal(used.model_requests, 6);
    assert.equal(used.sessions, 1);
    assert.equal(used.unpriced_uses, 0);
    assert.ok(Math.abs(used.active_seconds - (usage.active_seconds ?? 0)) < 1e-3);
    const [spent] = await api.db.query<{ nano: number }>(
      { name: "test_spent", text: "select sum(nano)::bigint as nano from spend where session_id = $1" },
      [id],
    );
    assert.equal(Math.round(Number(used.list_cost.amount) * 1e7), spent?.nano);
    const all = await onlyOf(api.client);
    await api.client.beta.sessions.delete(id);
    assert.deepEqual(await onlyOf(api.client, { session_id: id }), used);
    assert.deepEqual(await onlyOf(api.client), all);
  });

  test("is told by agent and by model, and of one of each", async () => {
    const other = await prepare(api.client, "=1+1");
    const { id } = await newSession(api.client, other);
    await turn(api.client, id, `${tokens}\nsay hi`);
    const byAgent = await resultsOf(api.client, { group_by: ["agent_id"] });
    assert.deepEqual(
      byAgent.map(({ agent_id, model }) => [agent_id, model]),
      [facts.agent_id, other.agent_id].toSorted().map((agent) => [agent, null]),
    );
    const both = await resultsOf(api.client, { group_by: ["agent_id", "model"] });
    const total = await onlyOf(api.client);
    for (const rows of [byAgent, both])
      assert.equal(
        rows.reduce((sum, { output_tokens }) => sum + output_tokens, 0),
        total.output_tokens,
      );
    assert.equal(total.sessions, 2);
    const named = await onlyOf(api.client, { model: "=1+1", group_by: ["model"] });
    assert.deepEqual([named.model, named.agent_id, named.model_requests], ["=1+1", null, 1]);
    const ofAgent = await onlyOf(api.client, { agent_id: other.agent_id });
    assert.deepEqual([ofAgent.sessions, ofAgent.input_tokens], [1, named.input_tokens]);
    assert.ok(ofAgent.active_seconds > 0);
    // Time is of no model.
    assert.equal(named.active_seconds, 0);
  });

  test("is a table, in which no cell is worked out", async () => {
    const search = `starting_at=${dayBefore()}&group_by[]=model`;
    const asked = { path: `/v1/usage?${search}`, what: "csv" };
    const answers = [
      await ask(api, { ...asked, path: `${asked.path}&format=csv` }),
      await ask(api, { ...asked, headers: { accept: "text/csv" } }),
    ];
    const [text, same] = await Promise.all(answers.map((answer) => answer.text()));
    assert.equal(text, same);
    assert.match(answers[0]?.headers.get("content-type") ?? "", /^text\/csv/);
    const [head, ...rows] = (text ?? "").trimEnd().split("\r\n");
    assert.match(head ?? "", /^starting_at,ending_at,agent_id,model,input_tokens,/);
    assert.ok(rows.some((row) => row.includes(`,"'=1+1",`)));
    assert.ok(rows.every((row) => !/(^|,)"?[=+@-]/.test(row)));
    assert.equal(rows.length, (await resultsOf(api.client, { group_by: ["model"] })).length);
    const json = await ask(api, { ...asked, headers: { accept: "application/json, text/csv" } });
    assert.match(json.headers.get("content-type") ?? "", /json/);
  });

  test("comes in buckets without gaps, and in pages that go on where the last one ended", async () => {
    const [hour] = new Date(Date.now() - 3 * 86_400_000).toISOString().split(":");
    await api.db.query(
      {
        name: "test_old_usage",
        text: "insert into usage_hour (session_id, hour, model, workspace_id, agent_id, requests) values ('sesn_old', $1, 'm', 'wrkspc_default', 'agent_old', 7)",
      },
      [`${hour}:00:00Z`],
    );
    for (const width of ["1d", "1h"]) {
      const begin = new Date(Date.now() - 4 * 86_400_000).toISOString();
      const buckets: UsageReport["data"] = [];
      for (let page: string | null = ""; page !== null; ) {
        const found: UsageReport = await read(api.client, {
          starting_at: begin,
          bucket_width: width,
          limit: 3,
          agent_id: "agent_old",
          ...(page && { page }),
        });
        assert.ok(found.data.length <= 3);
        assert.equal(found.has_more, found.next_page !== null);
        buckets.push(...found.data);
        page = found.next_page;
      }
      assert.ok(Date.parse(buckets[0]?.starting_at ?? "") <= Date.parse(begin));
      for (const [i, bucket] of buckets.entries())
        assert.equal(bucket.ending_at, buckets[i + 1]?.starting_at ?? bucket.ending_at);
      assert.equal(buckets.length, width === "1d" ? 5 : 97);
      const filled = buckets.filter(({ results }) => results.length > 0);
      assert.deepEqual(
        filled.map(({ results }) => results.map(({ model_requests }) => model_requests)),
        [[7]],
      );
    }
    const past = await read(api.client, { starting_at: since, ending_at: "2020-01-02T00:00:01Z" });
    assert.deepEqual(
      past.data.map(({ starting_at, results }) => [starting_at, results.length]),
      [
        ["2020-01-01T00:00:00Z", 0],
        ["2020-01-02T00:00:00Z", 0],
      ],
    );
  });

  test("of another workspace is not told", async () => {
    const before = await onlyOf(api.client);
    await api.db.query(
      {
        name: "test_other_usage",
        text: "insert into usage_hour (session_id, hour, model, workspace_id, agent_id, requests) values ('sesn_other', date_trunc('hour', now()), 'm', 'wrkspc_other', 'agent_other', 9)",
      },
      [],
    );
    assert.deepEqual(await onlyOf(api.client), before);
    assert.deepEqual(await resultsOf(api.client, { session_id: "sesn_other" }), []);
    assert.deepEqual(await resultsOf(api.client, { agent_id: "agent_other" }), []);
  });

  test("outside of sessions is told too, and counts as no session", async () => {
    const before = await onlyOf(api.client);
    await api.client.messages.create({
      model: "simulated",
      max_tokens: 10,
      messages: [{ role: "user", content: `${tokens}\nsay hi` }],
    });
    let now = before;
    for (
      const until = Date.now() + 20_000;
      now.model_requests === before.model_requests && Date.now() < until;
    )
      now = await onlyOf(api.client);
    assert.equal(now.model_requests, before.model_requests + 1);
    assert.equal(now.input_tokens, before.input_tokens + 10);
    assert.equal(now.sessions, before.sessions);
  });

  test("is counted once where two servers write at once", async () => {
    const ids = await Promise.all(
      Array.from({ length: 4 }, async () => (await newSession(api.client, facts)).id),
    );
    const turns = ids.flatMap((id) =>
      [api, second].map(({ client }) => send(client, id, message(`${tokens}\nsay hi`))),
    );
    await Promise.all(turns);
    for (const id of ids) {
      await turn(api.client, id, "say over");
      // Both messages may have been one turn or two, of which this waited for the first.
      const told = async () => {
        const used = await onlyOf(second.client, { session_id: id });
        const { usage, status } = await api.client.beta.sessions.retrieve(id);
        return {
          used: [used.output_tokens, used.input_tokens],
          usage: [usage.output_tokens, usage.input_tokens],
          status,
        };
      };
      let now = await told();
      // They are read one after the other, and the session goes on in between.
      const settled = () => now.status === "idle" && now.used.join() === now.usage.join();
      for (const until = Date.now() + 20_000; !settled() && Date.now() < until; ) now = await told();
      assert.deepEqual(now.used, now.usage);
    }
  });

  test("is refused what it cannot be asked", async () => {
    const start = `starting_at=${since}`;
    const bad = [
      "",
      "starting_at=yesterday",
      `${start}&bucket_width=1m`,
      `${start}&group_by[]=session_id`,
      `${start}&group_by[]=model&group_by[]=model`,
      `${start}&limit=0`,
      `${start}&limit=32`,
      `${start}&bucket_width=1h&limit=169`,
      `${start}&ending_at=2019-01-01T00:00:00Z`,
      "starting_at=9999-12-31T23:59:59Z",
      `${start}&page=x`,
      `${start}&agent_id=sesn_1`,
      `${start}&format=xml`,
      `${start}&surprise=1`,
    ];
    for (const query of bad) {
      const answer = await ask(api, { what: query, path: `/v1/usage?${query}` });
      assert.equal(answer.status, 400, query);
    }
    const { next_page } = await read(api.client, { starting_at: since, limit: 1 });
    const moved = `/v1/usage?starting_at=${today()}T00:00:00Z&page=${next_page}`;
    assert.equal((await ask(api, { what: "a page before the beginning", path: moved })).status, 400);
    const other = `/v1/usage?${start}&bucket_width=1h&page=${next_page}`;
    assert.equal((await ask(api, { what: "a page of another width", path: other })).status, 400);
    const ends = `/v1/usage?starting_at=${dayBefore()}&ending_at=9999-12-31T23:59:59Z`;
    assert.equal((await ask(api, { what: "an end far off", path: ends })).status, 200);
  });
});

test("what was used is counted once, whoever is killed", async () => {
  const processes: Processes = await startProcesses();
  try {
    await processes.hands();
    const port = await freePort();
    let serve = await processes.serve(port);
    const other = await processes.serve(await freePort());
    const facts = await prepare(other.client);
    const ids = await Promise.all(
      Array.from({ length: 6 }, async () => (await newSession(other.client, facts)).id),
    );
    const clients = ids.map((id) => reconnecting(other.client, id));
    const text = "usage in=10 out=20\nbash sleep 0.2\nthen\nusage in=3 out=4\nbash sleep 0.2\nthen\nsay hi";
    for (let round = 1; round <= 2; round += 1) {
      await Promise.all(ids.map((id) => send(other.client, id, message(text))));
      await serve.kill();
      serve = await processes.serve(port);
      for (const client of clients) await client.until(isIdle, round);
    }
    for (const id of ids) {
      const { usage } = await other.client.beta.sessions.retrieve(id);
      const used = await onlyOf(serve.client, { session_id: id });
      assert.deepEqual([used.input_tokens, used.output_tokens], [usage.input_tokens, usage.output_tokens]);
      assert.ok(Math.abs(used.active_seconds - (usage.active_seconds ?? 0)) < 1e-3);
      const events = await other.client.beta.sessions.events.list(id, { limit: 1000 });
      assert.equal(
        used.model_requests,
        events.data.filter(({ type }) => type === "span.model_request_end").length,
      );
    }
    for (const client of clients) await client.close();
  } finally {
    await processes.close();
  }
});

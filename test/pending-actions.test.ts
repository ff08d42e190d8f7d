import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BadRequestError } from "@anthropic-ai/sdk";
import type { PendingAction } from "../src/protocol/pending-actions.ts";
import { cents60, limit, reasonOf } from "./harness/budgets.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import { ask } from "./harness/refusals.ts";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isIdle, message, send } from "./harness/session.ts";

interface Page {
  data: PendingAction[];
  next_page: string | null;
}

type Client = TestServer["client"];

const list = (client: Client, query: Record<string, string | number> = {}): Promise<Page> =>
  client.get("/v1/pending_actions", { query });
const idsIn = async (client: Client, query = {}) =>
  (await list(client, query)).data.map(({ event }) => event.id);

async function everyPage(client: Client, limit: number): Promise<PendingAction[]> {
  const all: PendingAction[] = [];
  for (let page: string | null = ""; page !== null; ) {
    const found: Page = await list(client, { limit, ...(page && { page }) });
    assert.ok(found.data.length <= limit);
    all.push(...found.data);
    page = found.next_page;
  }
  return all;
}

const custom = {
  type: "custom" as const,
  name: "look",
  description: "Looks",
  input_schema: { type: "object" as const },
};
const asking = {
  type: "agent_toolset_20260401" as const,
  default_config: { permission_policy: { type: "always_ask" as const } },
};

/** An agent that asks before every call, and has a tool of the client's. */
async function askingFacts(client: Client): Promise<Facts> {
  const agent = await client.beta.agents.create({
    name: "asker",
    model: "simulated",
    tools: [asking, custom],
  });
  const environment = await client.beta.environments.create({ name: "asked" });
  return { agent_id: agent.id, environment_id: environment.id };
}

describe("what waits for a person", () => {
  let api: TestServer;
  let second: TestServer;
  let facts: Facts;
  before(async () => {
    api = await startTestServer();
    second = await startTestServer({ beside: api });
    facts = await askingFacts(api.client);
  });
  after(async () => {
    await second.close();
    await api.close();
  });

  /** A session that rests for what it has asked. */
  async function rests(text: string, title = "waits") {
    const { id } = await api.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      title,
    });
    const following = await follow(api.client, id);
    await send(api.client, id, message(text));
    const idle = (await following.until(isIdle)).at(-1);
    const reason = idle && isIdle(idle) ? idle.stop_reason : null;
    assert.ok(reason?.type === "requires_action");
    return { id, following, calls: reason.event_ids };
  }

  const allow = (id: string | undefined) =>
    ({ type: "user.tool_confirmation", tool_use_id: id ?? "", result: "allow" }) as const;
  const result = (id: string | undefined) =>
    ({ type: "user.custom_tool_result", custom_tool_use_id: id ?? "" }) as const;

  test("is listed oldest first, with its session and agent, by every server, and goes with its answer", async () => {
    const first = await rests("bash echo one\ncall look {}", "first");
    const other = await rests("call look {}", "other");
    for (const { client } of [api, second]) {
      const { data, next_page } = await list(client);
      assert.equal(next_page, null);
      assert.deepEqual(
        data.map(({ session_id, session_title, kind, agent, event }) => [
          session_id,
          session_title,
          kind,
          agent.id,
          agent.name,
          event.type,
          event.id,
        ]),
        [
          [first.id, "first", "tool_confirmation", facts.agent_id, "asker", "agent.tool_use", first.calls[0]],
          [
            first.id,
            "first",
            "custom_tool_result",
            facts.agent_id,
            "asker",
            "agent.custom_tool_use",
            first.calls[1],
          ],
          [
            other.id,
            "other",
            "custom_tool_result",
            facts.agent_id,
            "asker",
            "agent.custom_tool_use",
            other.calls[0],
          ],
        ],
      );
      const { waiting_for } = (await client.get(`/v1/sessions/${first.id}`, {
        headers: { "anthropic-beta": "managed-agents-2026-04-01" },
      })) as { waiting_for: { since: string } };
      assert.equal(data[0]?.since, waiting_for.since);
      const listed = (await client.beta.sessions.events.list(first.id, { limit: 1000 })).data;
      assert.deepEqual(
        data[0]?.event,
        listed.find(({ id }) => id === first.calls[0]),
      );
    }
    await send(second.client, first.id, allow(first.calls[0]));
    assert.deepEqual(await idsIn(api.client), [first.calls[1], other.calls[0]]);
    await send(api.client, first.id, result(first.calls[1]));
    assert.deepEqual(await idsIn(second.client), other.calls);
    await send(api.client, other.id, result(other.calls[0]));
    assert.deepEqual(await idsIn(api.client), []);
    for (const { following } of [first, other]) following.close();
  });

  test("is gone at once when its session is interrupted, archived or deleted, though no brain has looked", async () => {
    const [interrupted, archived, deleted] = [
      await rests("call look {}"),
      await rests("call look {}"),
      await rests("call look {}"),
    ];
    assert.equal((await idsIn(api.client)).length, 3);
    await send(api.client, interrupted.id, { type: "user.interrupt" });
    assert.deepEqual(await idsIn(second.client), [archived.calls[0], deleted.calls[0]]);
    await api.client.beta.sessions.archive(archived.id);
    assert.deepEqual(await idsIn(second.client), deleted.calls);
    await api.client.beta.sessions.delete(deleted.id);
    assert.deepEqual(await idsIn(second.client), []);
    for (const { following } of [interrupted, archived, deleted]) following.close();
  });

  test("is found behind any number of messages that were sent meanwhile", async () => {
    const one = await rests("call look {}");
    const said = Array.from({ length: 500 }, () => message("more"));
    await send(api.client, one.id, ...said);
    assert.deepEqual(await idsIn(api.client), one.calls);
    await api.client.beta.sessions.archive(one.id);
    one.following.close();
  });

  test("comes in pages that repeat and miss nothing, wherever they are cut", async () => {
    const three = [
      await rests("repeat 3 call look {}"),
      await rests("repeat 2 bash echo x"),
      await rests("repeat 4 call look {}"),
    ];
    const expected = three.flatMap(({ calls }) => calls);
    for (const limit of [1, 2, 3, 4, 5, 9, 100]) {
      const all = await everyPage(api.client, limit);
      assert.deepEqual(
        all.map(({ event }) => event.id),
        expected,
      );
    }
    for (const { id, following } of three) {
      await api.client.beta.sessions.archive(id);
      following.close();
    }
  });

  test("is taken by one of two who answer at once, on two servers", async () => {
    const calls = 6;
    const one = await rests(`repeat ${calls} call look {}`);
    const answers = await Promise.allSettled(
      one.calls.flatMap((call) => [
        send(api.client, one.id, result(call)),
        send(second.client, one.id, result(call)),
      ]),
    );
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, calls);
    for (const answer of answers)
      if (answer.status === "rejected") assert.ok(answer.reason instanceof BadRequestError);
    assert.deepEqual(await idsIn(api.client), []);
    one.following.close();
  });

  test("of another workspace is not seen", async () => {
    const one = await rests("call look {}");
    const moved = (table: string, key: string) =>
      api.db.query(
        {
          name: `test_elsewhere_${table}`,
          text: `update ${table} set workspace_id = 'wrkspc_other' where ${key} = $1`,
        },
        [one.id],
      );
    await moved("session", "id");
    await moved("session_head", "session_id");
    assert.deepEqual(await idsIn(api.client), []);
    one.following.close();
  });

  test("of a worker's calls there is none but what is to be confirmed", async () => {
    const agent = await api.client.beta.agents.create({
      name: "hosted",
      model: "simulated",
      tools: [{ ...asking, configs: [{ name: "read", permission_policy: { type: "always_allow" } }] }],
    });
    const environment = await api.client.beta.environments.create({
      name: "own",
      config: { type: "self_hosted" },
    });
    const { id } = await api.client.beta.sessions.create({ agent: agent.id, environment_id: environment.id });
    const following = await follow(api.client, id);
    await send(api.client, id, message('bash echo hi\ncall read {"file_path":"/workspace/a"}'));
    const idle = (await following.until(isIdle)).at(-1);
    assert.ok(idle && isIdle(idle) && idle.stop_reason.type === "requires_action");
    assert.equal(idle.stop_reason.event_ids.length, 2);
    const { data } = await list(api.client);
    assert.deepEqual(
      data.map(({ kind, event }) => [kind, event.id]),
      [["tool_confirmation", idle.stop_reason.event_ids[0]]],
    );
    await send(api.client, id, allow(data[0]?.event.id));
    assert.deepEqual(await idsIn(api.client), []);
    following.close();
  });

  test("is work that has used up its budget, from when it stops until that is raised, but none that is done", async () => {
    const spends = async (text: string) => {
      const { id } = await api.client.beta.sessions.create({
        agent: facts.agent_id,
        environment_id: facts.environment_id,
        title: "spends",
        budget: limit("50"),
      });
      const following = await follow(api.client, id);
      await send(api.client, id, message(text));
      const idle = (await following.until(isIdle)).at(-1);
      assert.equal(reasonOf(idle), "budget_reached");
      following.close();
      return { id, idle };
    };
    const call = await rests("call look {}");
    const midst = await spends(`${cents60}\ncall nothing {}\nthen\nsay end`);
    await spends(`${cents60}\nsay done`);
    const last = await spends(`${cents60}\ncall nothing {}`);
    for (const { client } of [api, second])
      for (const limit of [1, 2, 100]) {
        const data = await everyPage(client, limit);
        assert.deepEqual(
          data.map(({ kind, session_id }) => [kind, session_id]),
          [
            ["custom_tool_result", call.id],
            ["budget", midst.id],
            ["budget", last.id],
          ],
        );
        assert.deepEqual(data[1]?.event, midst.idle);
      }
    await send(api.client, midst.id, { type: "user.interrupt" });
    assert.equal((await idsIn(second.client)).length, 3, "an interrupt raises no budget");
    await api.client.beta.sessions.update(midst.id, { budget: limit("500") });
    await api.client.beta.sessions.archive(last.id);
    assert.deepEqual(await idsIn(second.client), call.calls);
    await api.client.beta.sessions.archive(call.id);
    call.following.close();
  });

  test("is read by the index of what waits, and by nothing longer", async () => {
    const rows = await api.db.query<{ "QUERY PLAN": string }>(
      {
        name: "test_pending_plan",
        text: `explain select session_id from session_head h where h.workspace_id = 'w' and h.status = 'idle'
          and h.asks <> '{}' and awaits_person(h.asks) order by h.status_at, h.session_id limit 2`,
      },
      [],
    );
    assert.match(rows.map((row) => row["QUERY PLAN"]).join("\n"), /session_head_pending/);
    const capped = await api.db.query<{ "QUERY PLAN": string }>(
      {
        name: "test_at_cap_plan",
        text: `explain select session_id from session_head h where h.workspace_id = 'w' and h.status = 'idle'
          and h.at_cap and h.asks = '{}' order by h.status_at, h.session_id limit 2`,
      },
      [],
    );
    assert.match(capped.map((row) => row["QUERY PLAN"]).join("\n"), /session_head_at_cap/);
  });

  test("takes no other parameters, cursors and keys", async () => {
    const bad = [
      ["limit=0", 400],
      ["limit=101", 400],
      ["limit=x", 400],
      ["page=x", 400],
      ["status=idle", 400],
      [
        `page=${Buffer.from('{"list":"pending_actions","order":"asc","back":false,"position":{}}').toString("base64url")}`,
        400,
      ],
    ] as const;
    for (const [query, status] of bad) {
      const path = `/v1/pending_actions?${query}`;
      assert.equal((await ask(api, { what: query, path })).status, status, query);
    }
    const path = "/v1/pending_actions";
    assert.equal(
      (await ask(api, { what: "", path, headers: { "x-api-key": "another-key-of-nobody" } })).status,
      401,
    );
    assert.equal((await ask(api, { what: "", path, method: "POST", body: {} })).status, 405);
  });
});

describe("what waits for a person, on processes that are killed", () => {
  let processes: Processes;
  before(async () => {
    processes = await startProcesses();
    await processes.hands();
  });
  after(() => processes.close());

  test("is the same whoever dies, and answered once", async () => {
    const port = await freePort();
    let serve = await processes.serve(port);
    const other = await processes.serve(await freePort());
    const facts = await askingFacts(other.client);
    const ids = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const { id } = await other.client.beta.sessions.create({
          agent: facts.agent_id,
          environment_id: facts.environment_id,
          initial_events: [
            { type: "user.message", content: [{ type: "text", text: "repeat 3 call look {}" }] },
          ],
        });
        return id;
      }),
    );
    await serve.kill();
    serve = await processes.serve(port);
    const clients = ids.map((id) => reconnecting(other.client, id));
    for (const client of clients) await client.until(isIdle);
    const waiting = await everyPage(serve.client, 4);
    assert.equal(waiting.length, 18);
    // Half of them are answered while the process that is asked dies.
    const answered = waiting.filter((_, i) => i % 2 === 0);
    const answers = answered.map(({ session_id, event }) =>
      send(serve.client, session_id, { type: "user.custom_tool_result", custom_tool_use_id: event.id }).catch(
        () => {},
      ),
    );
    await serve.kill();
    await Promise.all(answers);
    serve = await processes.serve(port);
    // What is not listed was taken, and what is listed was not.
    const left = new Set((await everyPage(other.client, 5)).map(({ event }) => event.id));
    for (const { session_id, event } of waiting) {
      const answer = send(other.client, session_id, {
        type: "user.custom_tool_result",
        custom_tool_use_id: event.id,
      });
      if (left.has(event.id)) await answer;
      else await assert.rejects(answer, BadRequestError);
    }
    assert.deepEqual((await list(serve.client)).data, []);
    for (const client of clients) await client.close();
  });
});

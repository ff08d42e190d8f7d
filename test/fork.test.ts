import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { APIError, BadRequestError, NotFoundError } from "@anthropic-ai/sdk";
import { assertRows, snapshotOf } from "../src/brain/plays/rows.ts";
import { noCaps } from "../src/config.ts";
import { listPrices } from "../src/models/price-table.ts";
import type { ForkSession, Session } from "../src/protocol/sessions.ts";
import { answerReply, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { isLong } from "./harness/long.ts";
import { assertExtends } from "./harness/prefix.ts";
import { startTestServer } from "./harness/server.ts";
import {
  type Facts,
  follow,
  isIdle,
  isOf,
  type ListedEvent,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

const upstream = await startFakeAnthropic();
const api = await startTestServer({ anthropic_url: upstream.url });
const { client } = api;
const facts = await prepare(client);
after(async () => {
  await api.close();
  await upstream.close();
});

const fork = (id: string, body: ForkSession = {}, headers: Record<string, string> = {}): Promise<Session> =>
  client.post(`/v1/sessions/${id}/fork`, { body, headers });

const last = <Type extends ListedEvent["type"]>(events: ListedEvent[], type: Type): ListedEvent =>
  events.findLast((event) => event.type === type) ?? assert.fail(`there is no ${type}`);

/** Time apart, which a session counts more finely than its log. */
const tokensIn = ({ active_seconds: _, ...usage }: { active_seconds?: number }) => usage;

/** A session in which all this was said. */
async function talked(of: Facts, ...texts: string[]): Promise<string> {
  const { id } = await newSession(client, of);
  for (const text of texts) await turn(client, id, text);
  return id;
}

async function running(id: string, text: string, until: (event: ListedEvent) => boolean): Promise<void> {
  const following = await follow(client, id);
  await send(client, id, message(text));
  await following.until((event) => until(event as ListedEvent));
  following.close();
}

/** What was cut off before the model had answered it is answered first, and may ask once more. */
async function goOn(id: string): Promise<void> {
  for (let turns = 0; !saidIn(await listed(client, id)).endsWith("over"); turns += 1) {
    assert.ok(turns < 3, "it does not go on");
    await send(client, id, { type: "user.interrupt" });
    await turn(client, id, "say over");
  }
}

describe("a fork", () => {
  test("has all that the session has, and goes its own way", async () => {
    const id = await talked(facts, "say one", "bash echo two");
    await client.beta.sessions.update(id, { title: "first", metadata: { team: "a" } });
    const [before, session] = [await listed(client, id), await client.beta.sessions.retrieve(id)];
    const made = await fork(id);
    assert.deepEqual(
      [made.status, made.title, made.metadata, made.agent, made.environment_id],
      ["idle", "first", { team: "a" }, session.agent, session.environment_id],
    );
    assert.deepEqual(tokensIn(made.usage), tokensIn(session.usage));
    const seconds = made.stats.active_seconds - (session.stats.active_seconds ?? 0);
    assert.ok(Math.abs(seconds) < 0.01, `it was active ${seconds} s longer`);
    assert.deepEqual(made.forked_from, { session_id: id, event_id: before.at(-1)?.id });
    const threads = (events: ListedEvent[], of: string) =>
      JSON.parse(JSON.stringify(events).replaceAll(of.replace("sesn_", "sthr_"), "the thread"));
    assert.deepEqual(threads(await listed(client, made.id), made.id), threads(before, id));
    assert.equal(saidIn(await turn(client, made.id, "say three")), "three");
    assert.equal(saidIn(await turn(client, id, "say four")), "four");
    assert.doesNotMatch(saidIn(await listed(client, id)), /three/);
    assert.doesNotMatch(saidIn(await listed(client, made.id)), /four/);
    const [thread] = (await client.beta.sessions.threads.list(made.id)).data;
    assert.equal(thread?.id, made.id.replace("sesn_", "sthr_"));
  });

  test("takes the title and metadata that it is given", async () => {
    const id = await talked(facts, "say one");
    const made = await fork(id, { title: "again", metadata: { try: "2" } });
    assert.deepEqual([made.title, made.metadata], ["again", { try: "2" }]);
    await client.beta.sessions.update(id, { title: "named" });
    assert.equal((await fork(id, { title: null })).title, null);
  });

  test("from an event in the middle has nothing of what came after", async () => {
    const id = await talked(facts, "say one", "say two", "say three");
    const events = await listed(client, id);
    const second = events.filter(isIdle)[1];
    const made = await fork(id, { event_id: second?.id });
    const kept = await listed(client, made.id);
    assert.deepEqual(kept.at(-1), second);
    assert.equal(saidIn(kept), "one\ntwo");
    const told = kept.findLast(isOf("session.usage")) ?? assert.fail("its usage was not told");
    assert.deepEqual(tokensIn(made.usage), tokensIn(told.usage));
  });

  test("while a call runs ends it for itself alone", async () => {
    const { id } = await newSession(client, facts);
    await running(
      id,
      "bash echo one; read line < /tmp/gate || mkfifo /tmp/gate; cat /tmp/gate",
      isOf("agent.tool_use"),
    );
    const made = await fork(id);
    assert.deepEqual([made.status, (await client.beta.sessions.retrieve(id)).status], ["idle", "running"]);
    const events = await listed(client, made.id);
    assert.deepEqual(resultsIn(events), ["Tool execution was interrupted before completion. Please retry."]);
    assert.deepEqual(typesOf(events.slice(-3)), [
      "session.thread_status_idle",
      "session.usage",
      "session.status_idle",
    ]);
    assert.equal(saidIn(await turn(client, made.id, "say mine")), "mine");
    await send(client, id, { type: "user.interrupt" });
  });

  test("at a question leaves it open: both answers can be tried", async () => {
    const asking = await prepare(client, "simulated", "always_ask");
    const id = await talked(asking, "bash echo ran");
    const [made, other] = [await fork(id), await fork(id)];
    const { id: tool_use_id } = last(await listed(client, id), "agent.tool_use");
    assert.deepEqual(made.waiting_for?.event_ids, [tool_use_id]);
    const answer = async (session: string, result: "allow" | "deny") => {
      const following = await follow(client, session);
      await send(client, session, { type: "user.tool_confirmation", tool_use_id, result });
      const events = await following.until(isIdle);
      following.close();
      return resultsIn(events);
    };
    assert.match((await answer(made.id, "allow"))[0] ?? "", /^ran/);
    assert.deepEqual(await answer(other.id, "deny"), ["The user rejected this call."]);
    assert.equal((await client.beta.sessions.retrieve(id)).status, "idle");
    assert.deepEqual(resultsIn(await listed(client, id)), []);
  });

  test("at a question is answered apart from the session, and each runs the command once, in its own workspace", async () => {
    const asking = await prepare(client, "simulated", "always_ask");
    const { id } = await newSession(client, asking);
    const answer = async (session: string) => {
      const { id: tool_use_id } = last(await listed(client, session), "agent.tool_use");
      const following = await follow(client, session);
      await send(client, session, {
        type: "user.tool_confirmation",
        tool_use_id,
        result: "allow",
      });
      const events = await following.until(isIdle);
      following.close();
      return resultsIn(events).map((result) => result.split("\n[")[0]);
    };
    await turn(client, id, "bash echo first >> runs");
    await answer(id);
    await turn(client, id, "bash echo then >> runs; cat runs");
    const forks = [await fork(id), await fork(id)];
    const sessions = [id, ...forks.map((made) => made.id), (await fork(forks[0]?.id ?? "")).id];
    const answers = await Promise.all(sessions.map(answer));
    assert.deepEqual(
      answers,
      sessions.map(() => ["first\nthen"]),
    );
  });

  test("at a message that was sent during a question takes it up behind the answer", async () => {
    const asking = await prepare(client, "simulated", "always_ask");
    const id = await talked(asking, "bash echo ran");
    const sent = await send(client, id, message("say later"));
    const made = await fork(id, { event_id: sent.data?.[0]?.id });
    const [tool_use_id] = made.waiting_for?.event_ids ?? [];
    const following = await follow(client, made.id);
    await send(client, made.id, {
      type: "user.tool_confirmation",
      tool_use_id: tool_use_id ?? "",
      result: "allow",
    });
    await following.until(isIdle);
    following.close();
    const events = await listed(client, made.id);
    const told = events.filter(({ type }) => type === "agent.tool_result" || type === "user.message");
    assert.deepEqual(typesOf(told), ["user.message", "agent.tool_result", "user.message"]);
    assert.equal(saidIn(events), "later");
  });

  test("leaves what waits to be taken up to the session, unless it is named", async () => {
    const { id } = await newSession(client, facts);
    await running(id, "hang", isOf("span.model_request_start"));
    const sent = await send(client, id, message("say later"));
    const without = await listed(client, (await fork(id)).id);
    assert.equal(without.filter(isOf("user.message")).length, 1);
    const named = await fork(id, { event_id: sent.data?.[0]?.id });
    const kept = (await listed(client, named.id)).filter(isOf("user.message"));
    assert.equal(kept.length, 2);
    assert.ok(kept.every(({ processed_at }) => processed_at !== null));
    assert.equal(saidIn(await turn(client, named.id, "say now")), "later\nnow");
    await send(client, id, { type: "user.interrupt" });
  });

  test("has nothing that began with the next step, though it was written together with the event", async () => {
    const { id } = await newSession(client, facts);
    await running(id, `bash ${heldCommand}`, isOf("agent.tool_use"));
    await send(client, id, message("say later"));
    const following = await follow(client, id);
    await api.workspace(id).written("runs");
    api.workspace(id).release();
    await following.until(isIdle);
    following.close();
    const events = await listed(client, id);
    const result = last(events, "agent.tool_result");
    const kept = await listed(client, (await fork(id, { event_id: result.id })).id);
    assert.deepEqual(kept.filter(isOf("user.message")).length, 1);
    assert.equal(kept.filter(isOf("span.model_request_start")).length, 1);
    assert.equal(events.filter(isOf("user.message")).length, 2);
  });

  test("has the agent that the session had then", async () => {
    const id = await talked(facts, "say one");
    const first = last(await listed(client, id), "session.status_idle").id;
    await client.beta.sessions.update(id, { agent: { tools: [] } });
    const second = last(await listed(client, id), "session.updated").id;
    await client.beta.sessions.update(id, {
      agent: { tools: [{ type: "agent_toolset_20260401", default_config: { enabled: false } }] },
    });
    const tools = async (event_id?: string) => (await fork(id, { event_id })).agent.tools.length;
    const made = await fork(id, { event_id: first });
    assert.ok(
      made.agent.tools.length === 1 && resultsIn(await turn(client, made.id, "bash echo runs"))[0] === "runs",
    );
    assert.equal(await tools(second), 0);
    assert.equal(await tools(), 1);
  });

  test("of a fork has the agent that the session had before the fork was made", async () => {
    const id = await talked(facts, "say one");
    const first = last(await listed(client, id), "session.status_idle").id;
    await client.beta.sessions.update(id, { agent: { tools: [] } });
    const made = await fork(id);
    const again = await fork(made.id, { event_id: first });
    assert.deepEqual([made.agent.tools.length, again.agent.tools.length], [0, 1]);
    const later = await fork(again.id);
    await client.beta.sessions.update(later.id, { agent: { tools: [] } });
    assert.equal((await fork(later.id, { event_id: first })).agent.tools.length, 1);
  });

  test("changes the thread's id nowhere in what was said or called", async () => {
    const custom = await client.beta.agents.create({
      name: "tester",
      model: "simulated",
      tools: [{ type: "custom", name: "find", description: "Finds it", input_schema: { type: "object" } }],
    });
    const { id } = await newSession(client, { ...facts, agent_id: custom.id });
    const thread = (of: string) => of.replace("sesn_", "sthr_");
    const input = JSON.stringify({ id: thread(id), threads: [{ id: thread(id) }] });
    await turn(client, id, `call find ${input}`);
    // As if it had been named after it was forked, and a checkpoint was made since.
    const { id: made } = await fork(id);
    await api.db.query(
      {
        name: "test_renamed",
        text: "update event set body = replace(body::text, $2, $3)::json where session_id = $1",
      },
      [made, thread(id), thread(made)],
    );
    const { id: again } = await fork(made);
    const [kept] = await api.db.query<{ body: string }>(
      {
        name: "test_kept",
        text: "select body::text from event where session_id = $1 and type = 'checkpoint' order by seq limit 1",
      },
      [again],
    );
    const found = kept?.body ?? "";
    assert.ok(found.includes(`"input":${input.replaceAll(thread(id), thread(made))}`), found);
    assert.ok(found.includes(`"threads":[{"id":"${thread(again)}"`), found);
    const inThread = await api.db.query(
      { name: "test_threads", text: "select distinct thread_id from event where session_id = $1" },
      [again],
    );
    assert.deepEqual(inThread, [{ thread_id: thread(again) }]);
  });

  test("has spent what was spent by then, and that is spent once", async () => {
    const { id } = await client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      budget: { type: "limit", max_list_cost: { amount: "500", currency: "USD" } },
    });
    await turn(client, id, "say one");
    const made = await fork(id);
    assert.deepEqual(made.budget?.max_list_cost, { amount: "500", currency: "USD" });
    const spends = await api.db.query({ name: "spends", text: "select from spend where session_id = $1" }, [
      made.id,
    ]);
    assert.equal(spends.length, 0);
  });

  test("of a fork, of an ended session and of one that nothing was said to", async () => {
    const empty = await newSession(client, facts);
    const unsaid = await fork(empty.id);
    assert.deepEqual(unsaid.forked_from, { session_id: empty.id, event_id: null });
    assert.equal(saidIn(await turn(client, unsaid.id, "say one")), "one");
    const again = await fork((await fork(unsaid.id)).id);
    assert.equal(saidIn(await turn(client, again.id, "say two")), "two");
    await client.beta.sessions.archive(again.id);
    const events = await listed(client, again.id);
    const risen = await fork(again.id, { event_id: events.at(-1)?.id });
    assert.equal(risen.status, "idle");
    assert.equal(risen.archived_at, null);
    assert.doesNotMatch(typesOf(await listed(client, risen.id)).join(), /terminated/);
    assert.equal(saidIn(await turn(client, risen.id, "say three")), "three");
  });

  test("from any event is whole and goes on", async () => {
    const custom = await client.beta.agents.create({
      name: "tester",
      model: "simulated",
      tools: [
        { type: "agent_toolset_20260401" },
        { type: "custom", name: "weather", description: "Tells it", input_schema: { type: "object" } },
      ],
    });
    const id = await talked(
      { ...facts, agent_id: custom.id },
      "think hard\nsay one\nbash echo a\nbash echo b\nthen\nsay done",
      "fail overloaded\nsay two",
      "fail too_long\nsay short",
      "call weather {}\nbash echo c\nthen\nsay rain",
    );
    const { id: custom_tool_use_id } = last(await listed(client, id), "agent.custom_tool_use");
    const following = await follow(client, id);
    await send(client, id, { type: "user.custom_tool_result", custom_tool_use_id, content: [] });
    await following.until(isIdle);
    following.close();
    const events = await listed(client, id);
    assert.ok(events.length > 40, "too little has happened");
    // Of every kind of event the first one, unless there is time for all.
    const kinds = new Set<string>();
    for (const [i, event] of events.entries()) {
      if (!isLong && kinds.has(event.type)) continue;
      kinds.add(event.type);
      const made = await fork(id, { event_id: event.id });
      const rows = await snapshotOf(api.db, made.id);
      assertRows(rows);
      const kept = await listed(client, made.id);
      assert.deepEqual(
        kept.slice(0, i + 1).map((each) => each.id),
        events.slice(0, i + 1).map((each) => each.id),
      );
      const [begun, ended] = [isOf("span.model_request_start"), isOf("span.model_request_end")];
      assert.equal(
        kept.filter(begun).length,
        kept.filter(ended).length,
        `${event.type} leaves a request open`,
      );
      const told = new Set(
        kept.flatMap((each) => (each.type === "agent.tool_result" ? [each.tool_use_id] : [])),
      );
      const open = kept.filter((each) => each.type === "agent.tool_use" && !told.has(each.id));
      assert.ok(
        open.length === 0 || made.waiting_for?.type === "requires_action",
        `${event.type} leaves a call open`,
      );
      await goOn(made.id);
    }
    const [again, at] = [await fork(id), events.at(-4)?.id];
    const early = await fork(again.id, { event_id: at });
    assertRows(await snapshotOf(api.db, early.id));
    assert.equal((await listed(client, early.id)).at(-1)?.id, events.at(-1)?.id);
    await goOn(early.id);
  });
});

test("a fork's conversation begins with the session's, byte for byte", async () => {
  const id = await talked(await prepare(client, "claude-opus-4-5"));
  const call = {
    type: "tool_use",
    id: "toolu_1",
    name: "bash",
    json: ['{"command": "echo \\u00e9"}'],
  } as const;
  upstream.reply(
    answerReply({ blocks: [{ ...call, json: [...call.json] }] }),
    textReply("one"),
    textReply("two"),
  );
  await turn(client, id, "Go.");
  const made = await fork(id);
  await turn(client, made.id, "Go on.");
  assert.equal(upstream.requests.length, 3);
  assertExtends(upstream.requests.map(({ body }) => body));
});

const firstCheckpointOf = (id: string): string =>
  join(api.hands.storage, "documents/workspaces", id, id.replace("sesn_", "sbx_"), "1.json");

describe("a fork's workspace", () => {
  test("is as it was at the event, and its own", async () => {
    const id = await talked(facts, "bash echo one > file");
    const first = last(await listed(client, id), "session.status_idle").id;
    while (!existsSync(firstCheckpointOf(id))) await pause(10);
    await turn(client, id, "bash echo two > file");
    const [early, late] = [await fork(id, { event_id: first }), await fork(id)];
    assert.match(
      resultsIn(await turn(client, early.id, "bash cat file; echo three > file"))[0] ?? "",
      /^one\n/,
    );
    assert.match(resultsIn(await turn(client, late.id, "bash cat file"))[0] ?? "", /^two\n/);
    assert.deepEqual(resultsIn(await turn(client, id, "bash cat file")), ["two"]);
    assert.deepEqual(resultsIn(await turn(client, early.id, "bash cat file")), ["three"]);
  });

  test("outlives the session that it was forked from", async () => {
    const id = await talked(facts, "bash echo one > file");
    const made = await fork((await fork(id)).id);
    await client.beta.sessions.delete(id);
    while (existsSync(firstCheckpointOf(id))) await pause(10);
    assert.match(resultsIn(await turn(client, made.id, "bash cat file"))[0] ?? "", /^one\n/);
  });

  test("is removed where the fork does not come to be", async () => {
    const environment = await client.beta.environments.create({ name: "soon gone" });
    const id = await talked({ ...facts, environment_id: environment.id }, "bash echo one > file");
    await client.beta.environments.archive(environment.id);
    while (!existsSync(firstCheckpointOf(id))) await pause(10);
    const documents = join(api.hands.storage, "documents/workspaces");
    for (const headers of [undefined, { "idempotency-key": "a fork that is refused" }]) {
      const before = readdirSync(documents);
      await assert.rejects(fork(id, {}, headers), /environment is archived/);
      const copied = readdirSync(documents).filter((name) => name !== id && !before.includes(name));
      assert.equal(copied.length, 1);
      const copy = join(documents, copied[0] ?? "", id.replace("sesn_", "sbx_"), "1.json");
      assert.ok(existsSync(copy));
      await api.db.query(
        {
          name: "test_due",
          text: "update cleanup set try_at = drover_now() where session_id = $1",
        },
        [copied[0]],
      );
      while (existsSync(copy)) await pause(10);
    }
  });

  test("that cannot be copied is told, and nothing is made", async (t) => {
    const own = await startTestServer({});
    t.after(() => own.close());
    const of = await prepare(own.client);
    const { id } = await newSession(own.client, of);
    const kept = own.hands.kept(id);
    await turn(own.client, id, "bash echo one > file");
    // Nobody may be at work in the storage: a file that goes by itself ends the removal, and the rest stays.
    await kept;
    rmSync(own.hands.storage, { recursive: true, force: true });
    writeFileSync(own.hands.storage, "no folder");
    await assert.rejects(
      own.client.post(`/v1/sessions/${id}/fork`, { body: {}, maxRetries: 0 }),
      (error: unknown) => {
        assert.ok(error instanceof APIError);
        assert.deepEqual([error.status, error.headers.get("retry-after")], [503, "1"]);
        return true;
      },
    );
    assert.equal((await own.client.beta.sessions.list()).data.length, 1);
  });

  test("that it has never used goes with it", async () => {
    const id = await talked(facts, "bash echo one > file");
    const { id: made } = await fork(id);
    const documents = join(api.hands.storage, "documents/workspaces", made, id.replace("sesn_", "sbx_"));
    assert.deepEqual(readdirSync(documents), ["1.json"]);
    await client.beta.sessions.delete(made);
    while (existsSync(join(documents, "1.json"))) await pause(10);
  });
});

describe("a fork is refused", () => {
  const refused = (body: object, says: RegExp, id: string) =>
    assert.rejects(fork(id, body as ForkSession), (error) => {
      assert.ok(error instanceof BadRequestError);
      assert.match(error.message, says);
      return true;
    });

  test("where there is no such event, session or field", async () => {
    const [id, other] = [await talked(facts, "say one"), await talked(facts, "say one")];
    const foreign = (await listed(client, other)).at(-1)?.id;
    await refused({ event_id: foreign }, /event_id: session sesn_\w+ has no event sevt_/, id);
    const [internal] = await api.db.query<{ id: string }>(
      {
        name: "internal",
        text: "select id from event where session_id = $1 and audience = 'internal' limit 1",
      },
      [id],
    );
    await refused({ event_id: internal?.id }, /has no event/, id);
    await refused({ event_id: "x" }, /event_id/, id);
    await refused({ agent: "agent_1" }, /agent/, id);
    await assert.rejects(fork("sesn_01AAAAAAAAAAAAAAAAAAAAAA"), NotFoundError);
    assert.equal((await fork(id)).status, "idle");
  });

  test("where its environment takes no new sessions", async () => {
    const environment = await client.beta.environments.create({ name: "soon gone" });
    const id = await talked({ ...facts, environment_id: environment.id }, "say one");
    await client.beta.environments.archive(environment.id);
    await refused({}, /environment is archived/, id);
  });

  test("where what it may cost cannot be measured", async () => {
    const unpriced = { beside: api, prices: { ...listPrices, models: {} } };
    const [measured, capped] = [
      await startTestServer(unpriced),
      await startTestServer({ ...unpriced, spending: { caps: { ...noCaps, per_agent: 1 } } }),
    ];
    const agent = await client.beta.agents.create({ name: "tester", model: "claude-opus-4-5" });
    const { id } = await client.beta.sessions.create({
      agent: agent.id,
      environment_id: facts.environment_id,
      budget: { type: "limit", max_list_cost: { amount: "500", currency: "USD" } },
    });
    const free = await newSession(client, { ...facts, agent_id: agent.id });
    const says = { message: /has no list price/ };
    await assert.rejects(measured.client.post(`/v1/sessions/${id}/fork`, { body: {} }), says);
    await assert.rejects(capped.client.post(`/v1/sessions/${free.id}/fork`, { body: {} }), says);
    await measured.client.post(`/v1/sessions/${free.id}/fork`, { body: {} });
    await Promise.all([measured.close(), capped.close()]);
  });

  test("never twice for one idempotency key", async () => {
    const id = await talked(facts, "bash echo one > file");
    const key = { "idempotency-key": "one fork" };
    const [made, same] = [await fork(id, {}, key), await fork(id, {}, key)];
    assert.equal(same.id, made.id);
  });
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { BadRequestError, NotFoundError } from "@anthropic-ai/sdk";
import type { Session } from "../src/protocol/sessions.ts";
import { startTestServer } from "./harness/server.ts";
import {
  collected,
  follow,
  isIdle,
  isOf,
  listed,
  message,
  newSession,
  prepare,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";

const api = await startTestServer();
const facts = await prepare(api.client);
after(() => api.close());

const session = async () => (await newSession(api.client, facts)).id;

describe("a session's life", () => {
  test("initial events set it running before anybody sees it, and are not echoed", async () => {
    const created = await api.client.beta.sessions.create({
      agent: { type: "agent", id: facts.agent_id, version: 1 },
      environment_id: facts.environment_id,
      title: "with a start",
      metadata: { team: "a" },
      initial_events: [
        { type: "user.message", content: [{ type: "text", text: "say one" }] },
        { type: "user.message", content: [{ type: "text", text: "say two" }] },
      ],
    });
    assert.equal(created.status, "running");
    assert.ok(!("initial_events" in created));
    assert.deepEqual([created.title, created.metadata], ["with a start", { team: "a" }]);
    const following = await follow(api.client, created.id);
    const events = await following.until(isIdle);
    following.close();
    assert.equal(saidIn(events), "one\ntwo");
    const first = (await listed(api.client, created.id)).find((event) =>
      event.type.includes("thread_status"),
    );
    assert.equal(first?.type, "session.thread_status_running");
  });

  test("overrides of the agent hold for the session alone", async () => {
    const created = await api.client.beta.sessions.create({
      agent: {
        type: "agent_with_overrides",
        id: facts.agent_id,
        system: "Be brief.",
        tools: [],
        model: { id: "simulated/1000", effort: "low" },
      },
      environment_id: facts.environment_id,
    });
    assert.equal(created.agent.id, facts.agent_id);
    assert.equal(created.agent.system, "Be brief.");
    assert.deepEqual(created.agent.tools, []);
    assert.equal(created.agent.model.id, "simulated/1000");
    assert.deepEqual(created.agent.model.effort, { type: "high" });
    assert.equal((await api.client.beta.agents.retrieve(facts.agent_id)).system, null);
    assert.equal((await api.client.beta.sessions.retrieve(created.id)).agent.system, "Be brief.");
  });

  test("updates at once lose nothing", async () => {
    const id = await session();
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => api.client.beta.sessions.update(id, { metadata: { [key]: "x" } })));
    const { metadata } = await api.client.beta.sessions.retrieve(id);
    assert.deepEqual(Object.keys(metadata).sort(), keys);
    const told = (await listed(api.client, id)).filter(isOf("session.updated"));
    assert.equal(told.length, keys.length);
  });

  test("what it is told at its start is kept as it is, odd characters too", async () => {
    const text = "a\u0000b \ud800 c";
    const { id } = await api.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      initial_events: [{ type: "user.message", content: [{ type: "text", text }] }],
    });
    const [first] = (await listed(api.client, id)).filter(isOf("user.message"));
    assert.deepEqual(first?.content, [{ type: "text", text }]);
  });

  test("an update is told on the stream with what it changed; one that changes nothing is not", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await api.client.beta.sessions.update(id, { title: "new", metadata: { a: "1", b: "2" } });
    await api.client.beta.sessions.update(id, { metadata: { a: null } });
    await api.client.beta.sessions.update(id, { title: "new" });
    await api.client.beta.sessions.update(id, { title: null });
    const updated = await api.client.beta.sessions.update(id, { metadata: { b: null } });
    assert.deepEqual([updated.title, updated.metadata], [null, {}]);
    await following.until(isOf("session.updated"), 4);
    assert.deepEqual(
      following.events.filter(isOf("session.updated")).map(({ id: _, processed_at: __, ...rest }) => rest),
      [
        { type: "session.updated", title: "new", metadata: { a: "1", b: "2" } },
        { type: "session.updated", metadata: { b: "2" } },
        { type: "session.updated", title: null },
        // Metadata that was cleared to empty is left out.
        { type: "session.updated" },
      ],
    );
    following.close();
  });

  test("says what it waits for, and since when", async () => {
    const waiting = async (id: string) => {
      const { waiting_for } = (await api.client.beta.sessions.retrieve(id)) as unknown as Session;
      return waiting_for;
    };
    const { id } = await api.client.beta.sessions.create({
      agent: {
        type: "agent_with_overrides",
        id: facts.agent_id,
        tools: [
          {
            type: "agent_toolset_20260401",
            default_config: { permission_policy: { type: "always_ask" } },
          },
        ],
      },
      environment_id: facts.environment_id,
    });
    const created = await waiting(id);
    assert.equal(created?.type, "message");
    const following = await follow(api.client, id);
    await send(api.client, id, message("bash one\nbash two\nthen\nhang"));
    const asked = await following.until(isIdle);
    const calls = asked.flatMap((event) => (event.type === "agent.tool_use" ? [event.id] : []));
    const since = asked.find(isIdle)?.processed_at;
    const expected = { type: "requires_action", since, until: null };
    assert.deepEqual(await waiting(id), { ...expected, event_ids: calls });
    const allow = (tool_use_id = "") =>
      send(api.client, id, { type: "user.tool_confirmation", tool_use_id, result: "allow" });
    await allow(calls[0]);
    await following.until(isIdle, 2);
    assert.deepEqual(await waiting(id), { ...expected, event_ids: [calls[1]] });
    await allow(calls[1]);
    await following.until(isOf("span.model_request_start"), 2);
    assert.equal(await waiting(id), null);
    await send(api.client, id, { type: "user.interrupt" }, message("fail overloaded 9"));
    await following.until(isOf("session.status_rescheduled"));
    const retry = await waiting(id);
    assert.equal(retry?.type, "retry");
    assert.ok((retry?.until ?? "") > (retry?.since ?? ""));
    await send(api.client, id, { type: "user.interrupt" });
    await following.until((event) => isIdle(event) && event.stop_reason.type === "end_turn", 2);
    following.close();
    assert.equal((await waiting(id))?.type, "message");
    await api.client.beta.sessions.archive(id);
    assert.equal(await waiting(id), null);
  });

  test("while it runs it is neither archived nor deleted; after the interrupt's idle it is at once", async () => {
    for (const end of ["archive", "delete"] as const) {
      const id = await session();
      const following = await follow(api.client, id);
      await send(api.client, id, message("hang"));
      await following.until(isOf("span.model_request_start"));
      await assert.rejects(api.client.beta.sessions[end](id), (error) => {
        assert.ok(error instanceof BadRequestError);
        assert.match(error.message, /interrupt/);
        return true;
      });
      await send(api.client, id, { type: "user.interrupt" });
      await following.until(isIdle);
      await api.client.beta.sessions[end](id);
      await following.ended;
      assert.equal(
        following.events.at(-1)?.type,
        end === "archive" ? "session.status_terminated" : "session.deleted",
      );
    }
  });

  test("archived, it is readable, refuses events and is hidden from the list", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const archived = await api.client.beta.sessions.archive(id);
    assert.equal(archived.status, "terminated");
    assert.ok(archived.archived_at);
    assert.deepEqual(await api.client.beta.sessions.archive(id), archived);
    await assert.rejects(send(api.client, id, message("say no")), /Cannot send events to archived session/);
    await assert.rejects(send(api.client, id, { type: "user.interrupt" }), BadRequestError);
    await assert.rejects(api.client.beta.sessions.update(id, { title: "x" }), BadRequestError);
    assert.equal((await listed(api.client, id)).at(-1)?.type, "session.status_terminated");
    const ids = async (params: { include_archived?: boolean }) =>
      (await collected(api.client.beta.sessions.list({ ...params, limit: 100 }))).map((item) => item.id);
    assert.ok(!(await ids({})).includes(id));
    assert.ok((await ids({ include_archived: true })).includes(id));
    assert.deepEqual(await api.client.beta.sessions.delete(id), { id, type: "session_deleted" });
    await assert.rejects(api.client.beta.sessions.retrieve(id), NotFoundError);
    await assert.rejects(listed(api.client, id), NotFoundError);
    await assert.rejects(api.client.beta.sessions.delete(id), NotFoundError);
  });

  test("an archived agent or environment takes no new sessions; running ones go on", async () => {
    const own = await prepare(api.client);
    const { id } = await newSession(api.client, own);
    await assert.rejects(api.client.beta.environments.delete(own.environment_id), BadRequestError);
    await api.client.beta.agents.archive(own.agent_id);
    await assert.rejects(newSession(api.client, own), BadRequestError);
    await api.client.beta.environments.archive(own.environment_id);
    await assert.rejects(
      newSession(api.client, { ...facts, environment_id: own.environment_id }),
      BadRequestError,
    );
    assert.equal(saidIn(await turn(api.client, id, "say still here")), "still here");
  });

  test("its primary thread is listed, read and streamed", async () => {
    const id = await session();
    const threads = await collected(api.client.beta.sessions.threads.list(id));
    assert.equal(threads.length, 1);
    const [thread] = threads;
    assert.ok(thread);
    assert.equal(thread.parent_thread_id, null);
    const stream = await api.client.beta.sessions.threads.events.stream(thread.id, { session_id: id });
    await send(api.client, id, message("say hi"));
    const seen: string[] = [];
    for await (const event of stream) {
      seen.push(event.type);
      if (event.type === "session.status_idle") break;
    }
    assert.ok(seen.includes("agent.message"));
    const ofThread = await collected(
      api.client.beta.sessions.threads.events.list(thread.id, { session_id: id }),
    );
    assert.deepEqual(ofThread, await listed(api.client, id));
    const now = await api.client.beta.sessions.threads.retrieve(thread.id, { session_id: id });
    assert.equal(now.status, "idle");
    assert.ok("name" in now.agent && now.agent.name === "tester");
    await assert.rejects(
      api.client.beta.sessions.threads.retrieve("sthr_01missing", { session_id: id }),
      NotFoundError,
    );
  });
});

describe("lists", () => {
  test("of sessions are walked both ways, and a cursor keeps its order", async () => {
    const own = await prepare(api.client);
    const ids: string[] = [];
    for (let i = 0; i < 7; i += 1) ids.push((await newSession(api.client, own)).id);
    const params = { agent_id: own.agent_id, limit: 3 };
    const newest = ids.toReversed();
    const idsOf = (page: { data: { id: string }[] }) => page.data.map((item) => item.id);
    const first = await api.client.beta.sessions.list(params);
    assert.equal(first.prev_page, null);
    const second = await api.client.beta.sessions.list({ ...params, page: first.next_page });
    const third = await api.client.beta.sessions.list({ ...params, page: second.next_page });
    assert.equal(third.next_page, null);
    assert.deepEqual([first, second, third].flatMap(idsOf), newest);
    const back = await api.client.beta.sessions.list({ ...params, page: third.prev_page });
    assert.deepEqual(idsOf(back), idsOf(second));
    const start = await api.client.beta.sessions.list({ ...params, page: back.prev_page });
    assert.deepEqual(idsOf(start), idsOf(first));
    assert.equal(start.prev_page, null);
    assert.deepEqual(
      (await collected(api.client.beta.sessions.list({ ...params, order: "asc" }))).map((item) => item.id),
      ids,
    );
    await assert.rejects(
      api.client.beta.sessions.list({ ...params, order: "asc", page: first.next_page }),
      BadRequestError,
    );
    await assert.rejects(
      api.client.beta.sessions.list({
        ...params,
        "created_at[gt]": "2999-01-01T00:00:00Z",
        page: first.next_page,
      }),
      BadRequestError,
    );
  });

  test("of sessions are narrowed by every filter", async () => {
    const own = await prepare(api.client);
    const one = await newSession(api.client, own);
    await api.client.beta.agents.update(own.agent_id, { name: "renamed" });
    const two = await newSession(api.client, own);
    const busy = await newSession(api.client, own);
    const following = await follow(api.client, busy.id);
    await send(api.client, busy.id, message("hang"));
    await following.until(isOf("span.model_request_start"));
    const ids = async (params: object) =>
      (
        await collected(api.client.beta.sessions.list({ agent_id: own.agent_id, order: "asc", ...params }))
      ).map((item) => item.id);
    assert.deepEqual(await ids({}), [one.id, two.id, busy.id]);
    assert.deepEqual(await ids({ agent_version: 1 }), [one.id]);
    const anyAgents = await api.client.beta.sessions.list({ agent_version: 1, limit: 1, order: "asc" });
    assert.notEqual(anyAgents.data[0]?.agent.id, own.agent_id, "without an agent its version means nothing");
    assert.deepEqual(await ids({ statuses: ["running"] }), [busy.id]);
    assert.deepEqual(await ids({ statuses: ["idle", "running"] }), [one.id, two.id, busy.id]);
    assert.deepEqual(await ids({ "created_at[gt]": one.created_at }), [two.id, busy.id]);
    assert.deepEqual(await ids({ "created_at[gte]": one.created_at, "created_at[lt]": two.created_at }), [
      one.id,
    ]);
    assert.deepEqual(await ids({ "created_at[lte]": two.created_at }), [one.id, two.id]);
    assert.deepEqual(await ids({ deployment_id: "depl_01x" }), []);
    assert.deepEqual(await ids({ memory_store_id: "memstore_01x" }), []);
    await send(api.client, busy.id, { type: "user.interrupt" });
    await following.until(isIdle);
    following.close();
  });

  for (const order of ["asc", "desc"] as const) {
    test(`of events show the log as it was at the first page, also what is taken up before the next one (${order})`, async () => {
      const id = await session();
      const following = await follow(api.client, id);
      await send(api.client, id, message("hang"));
      await following.until(isOf("span.model_request_start"));
      for (const text of ["say a", "say b", "say c"]) await send(api.client, id, message(text));
      const whole = await listed(api.client, id);
      // The page ends between those that wait.
      const limit = order === "asc" ? whole.length - 2 : 2;
      const first = await api.client.beta.sessions.events.list(id, { limit, order });
      assert.equal(first.data.at(-1)?.processed_at, null);
      await send(api.client, id, { type: "user.interrupt" });
      await following.until(isIdle, 2);
      following.close();
      assert.deepEqual(await collected(first), order === "asc" ? whole : whole.toReversed());
      assert.ok((await listed(api.client, id)).every((event) => event.processed_at));
    });
  }

  test("of events page in either order, by type and by time", async () => {
    const id = await session();
    await turn(api.client, id, "bash echo 1\nthen\nsay 2");
    const all = await listed(api.client, id);
    assert.ok(all.every((event) => event.processed_at));
    const paged = await collected(api.client.beta.sessions.events.list(id, { limit: 2 }));
    assert.deepEqual(paged, all);
    const reversed = await collected(api.client.beta.sessions.events.list(id, { limit: 3, order: "desc" }));
    assert.deepEqual(reversed, all.toReversed());
    const types: ("agent.message" | "user.message")[] = ["agent.message", "user.message"];
    assert.deepEqual(
      typesOf(await collected(api.client.beta.sessions.events.list(id, { types, limit: 1 }))),
      ["user.message", "agent.message"],
    );
    const middle = all[5]?.processed_at ?? "";
    const late = await collected(api.client.beta.sessions.events.list(id, { "created_at[gt]": middle }));
    assert.deepEqual(
      late,
      all.filter((event) => (event.processed_at ?? "") > middle),
    );
    assert.ok(late.length > 0 && late.length < all.length);
  });
});

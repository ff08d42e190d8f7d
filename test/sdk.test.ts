import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  PermissionDeniedError,
} from "@anthropic-ai/sdk";
import { type FakeAnthropic, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { clientOf, startTestServer, type TestServer, testKey } from "./harness/server.ts";
import {
  collected,
  type Facts,
  follow,
  isIdle,
  isOf,
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

let upstream: FakeAnthropic;
let api: TestServer;
let facts: Facts;
let claude: Facts;

before(async () => {
  upstream = await startFakeAnthropic();
  api = await startTestServer({ anthropic_url: upstream.url });
  facts = await prepare(api.client);
  claude = await prepare(api.client, "claude-opus-5-5");
});
after(async () => {
  await api.close();
  await upstream.close();
});

const session = async () => (await newSession(api.client, facts)).id;

describe("a turn", () => {
  test("streams in the documented order, and the list and the session agree with it", async () => {
    const id = await session();
    const events = await turn(api.client, id, "think about it\nsay hello");
    assert.deepEqual(typesOf(events), [
      "user.message",
      "session.status_running",
      "session.thread_status_running",
      "user.message",
      "span.model_request_start",
      "agent.thinking",
      "agent.message",
      "span.model_request_end",
      "session.thread_status_idle",
      "session.usage",
      "session.status_idle",
    ]);
    const [queued, , , promoted] = events;
    assert.ok(queued?.type === "user.message" && promoted?.type === "user.message");
    assert.equal(queued.id, promoted.id);
    assert.equal(queued.processed_at, null);
    assert.ok(promoted.processed_at);
    assert.equal(saidIn(events), "hello");

    // As soon as idle is seen, the list holds everything before it and the session is idle.
    assert.deepEqual(await listed(api.client, id), events.slice(1));
    const now = await api.client.beta.sessions.retrieve(id);
    assert.equal(now.status, "idle");
    const spent = events.find(isOf("session.usage"))?.usage;
    const span = events.find(isOf("span.model_request_end"))?.model_usage;
    assert.equal(now.usage.output_tokens, spent?.output_tokens);
    assert.equal(spent?.output_tokens, span?.output_tokens);
    assert.ok((spent?.output_tokens ?? 0) > 0);
  });

  test("with a tool runs it in the sandbox and goes on with its result", async () => {
    const id = await session();
    const events = await turn(api.client, id, "bash echo $((6 * 7)); pwd\nthen\necho");
    assert.deepEqual(typesOf(events).slice(3), [
      "user.message",
      "span.model_request_start",
      "agent.tool_use",
      "span.model_request_end",
      "agent.tool_result",
      "span.model_request_start",
      "agent.message",
      "span.model_request_end",
      "session.thread_status_idle",
      "session.usage",
      "session.status_idle",
    ]);
    const use = events.find(isOf("agent.tool_use"));
    const result = events.find(isOf("agent.tool_result"));
    assert.equal(use?.name, "bash");
    assert.equal(use?.evaluated_permission, "allow");
    assert.equal(result?.tool_use_id, use?.id);
    assert.equal(result?.is_error, false);
    assert.equal(saidIn(events), "42\n/workspace");
    // What the first turn left behind is there in the next.
    await turn(api.client, id, "bash x=5; echo kept > kept.txt");
    assert.equal(saidIn(await turn(api.client, id, "bash echo $x; cat kept.txt\nthen\necho")), "5\nkept");
  });

  test("runs parallel calls at once", async () => {
    const id = await session();
    // Each waits for a file of the other: one after the other they would wait for ever.
    const meet = (mine: string, other: string) =>
      `call write ${JSON.stringify({ file_path: `/workspace/${mine}`, content: mine })}\n` +
      `bash until [ -e ${other} ]; do sleep 0.02; done; cat ${other}`;
    const events = await turn(api.client, id, `${meet("a", "b")}\n${meet("b", "a")}\nthen\nsay both met`);
    const uses = events.filter(isOf("agent.tool_use"));
    assert.equal(uses.length, 4);
    const results = events.filter(isOf("agent.tool_result"));
    assert.deepEqual(
      results.map(({ tool_use_id }) => tool_use_id).toSorted(),
      uses.map(({ id }) => id).toSorted(),
    );
    assert.ok(results.every(({ is_error }) => is_error === false));
    assert.equal(saidIn(events), "both met");
    assert.equal(events.filter(isOf("span.model_request_start")).length, 2);
  });

  test("with every built-in tool", async () => {
    const id = await session();
    const call = (name: string, input: object) => `call ${name} ${JSON.stringify(input)}`;
    const events = await turn(
      api.client,
      id,
      [
        call("write", { file_path: "src/a.txt", content: "one\ntwo\nthree\n" }),
        "then",
        call("edit", { file_path: "src/a.txt", old_string: "two", new_string: "2" }),
        "then",
        call("read", { file_path: "src/a.txt", view_range: [2, 3] }),
        "then",
        call("glob", { pattern: "**/*.txt" }),
        "then",
        call("grep", { pattern: "thr.e" }),
      ].join("\n"),
    );
    const [, , read, glob, grep] = resultsIn(events);
    assert.equal(read, "2\nthree\n");
    assert.equal(glob, "src/a.txt");
    assert.match(grep ?? "", /src\/a\.txt:3:three/);
  });

  test("a call of a tool that is not enabled is denied, and the turn goes on", async () => {
    const agent = await api.client.beta.agents.create({
      name: "reader",
      model: "simulated",
      tools: [
        {
          type: "agent_toolset_20260401",
          default_config: { enabled: false },
          configs: [{ name: "read", enabled: true }],
        },
      ],
    });
    const id = (await newSession(api.client, { ...facts, agent_id: agent.id })).id;
    const events = await turn(api.client, id, "bash echo no\nthen\nsay on we go");
    assert.equal(events.find(isOf("agent.tool_use"))?.evaluated_permission, "deny");
    assert.equal(events.find(isOf("agent.tool_result"))?.is_error, true);
    assert.equal(saidIn(events), "on we go");
  });
});

describe("messages that wait", () => {
  test("two that are queued are answered together, in order", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    const sent = await send(api.client, id, message("say first"), message("say second"));
    assert.deepEqual(
      sent.data?.map((event) => event.type),
      ["user.message", "user.message"],
    );
    const events = await following.until(isIdle);
    following.close();
    assert.equal(saidIn(events), "first\nsecond");
    assert.equal(events.filter(isOf("span.model_request_start")).length, 1);
    const promoted = events.filter(isOf("user.message")).filter(({ processed_at }) => processed_at);
    assert.deepEqual(
      promoted.map((event) => event.id),
      sent.data?.map((event) => event.id),
    );
  });

  test("one sent before an interrupt is answered in the turn after it", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await send(api.client, id, message(`bash ${heldCommand}\nthen\nsay never said`));
    await following.until(isOf("agent.tool_use"));
    await send(api.client, id, message("say taken up"));
    await following.until((event) => event.type === "user.message" && event.processed_at === null, 2);
    assert.equal((await api.client.beta.sessions.retrieve(id)).status, "running");
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    assert.equal(saidIn(events), "");
    const next = await following.until(isIdle, 2);
    following.close();
    assert.equal(saidIn(next), "taken up");
  });

  test("one sent while a command runs follows its result in the same turn", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await send(api.client, id, message(`bash ${heldCommand}\nthen\nsay never said`));
    await following.until(isOf("agent.tool_use"));
    await send(api.client, id, message("say taken up"));
    assert.equal((await api.client.beta.sessions.retrieve(id)).status, "running");
    await api.workspace(id).written("runs");
    api.workspace(id).release();
    const events = await following.until(isIdle);
    following.close();
    assert.equal(saidIn(events), "taken up");
    assert.deepEqual(
      typesOf(events)
        .filter((type) => type !== "session.status_running" && type !== "session.thread_status_running")
        .slice(0, 10),
      [
        "user.message",
        "user.message",
        "span.model_request_start",
        "agent.tool_use",
        "span.model_request_end",
        "user.message",
        "agent.tool_result",
        "user.message",
        "span.model_request_start",
        "agent.message",
      ],
    );
  });
});

describe("an interrupt", () => {
  test("in the middle of generation closes the request to the provider", async () => {
    const id = (await newSession(api.client, claude)).id;
    const asked = upstream.requests.length;
    upstream.reply({ chunks: ['event: ping\ndata: {"type":"ping"}\n\n'], end: "hang" });
    const following = await follow(api.client, id);
    await send(api.client, id, message("write a long book"));
    const request = await upstream.request(asked);
    await send(api.client, id, { type: "user.interrupt" });
    assert.equal(await request.ended, "closed");
    const events = await following.until(isIdle);
    assert.deepEqual(events.findLast(isIdle)?.stop_reason, { type: "end_turn" });
    assert.equal(events.find(isOf("span.model_request_end"))?.is_error, true);
    assert.ok(events.some((event) => event.type === "user.interrupt" && event.processed_at));
    assert.equal(saidIn(events), "");

    upstream.reply(textReply("here again"));
    await send(api.client, id, message("and now?"));
    const next = await following.until(isIdle, 2);
    following.close();
    assert.equal(saidIn(next), "here again");
    assert.equal(upstream.requests.length, asked + 2);
  });

  test("with a redirecting message: the next turn answers the message", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await send(api.client, id, message("hang"));
    await following.until(isOf("span.model_request_start"));
    const sent = await send(api.client, id, { type: "user.interrupt" }, message("say redirected"));
    assert.deepEqual(
      sent.data?.map((event) => event.type),
      ["user.interrupt", "user.message"],
    );
    const events = await following.until(isIdle, 2);
    following.close();
    const idle = events.findIndex(isIdle);
    const answer = events.findIndex(isOf("agent.message"));
    const taken = events.findIndex(
      (event) => event.type === "user.message" && event.id === sent.data?.[1]?.id && event.processed_at,
    );
    assert.ok(idle < taken && taken < answer, typesOf(events).join(" "));
    assert.equal(saidIn(events), "redirected");
  });

  test("while a command runs ends the command", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await send(api.client, id, message("bash echo begun; sleep 600\nthen\nsay never said"));
    await following.until(isOf("agent.tool_use"));
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    following.close();
    assert.equal(events.find(isOf("agent.tool_result"))?.is_error, true);
    assert.deepEqual(events.findLast(isIdle)?.stop_reason, { type: "end_turn" });
    assert.equal(saidIn(await turn(api.client, id, "bash echo alive\nthen\necho")), "alive");
  });

  test("on an idle session changes nothing", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const following = await follow(api.client, id);
    await send(api.client, id, { type: "user.interrupt" });
    await following.until((event) => event.type === "user.interrupt" && event.processed_at !== null);
    assert.equal((await api.client.beta.sessions.retrieve(id)).status, "idle");
    assert.deepEqual(typesOf(following.events), ["user.interrupt", "user.interrupt"]);
    following.close();
  });
});

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

describe("errors are the SDK's typed classes", () => {
  test("by status", async () => {
    const { client } = api;
    await assert.rejects(client.beta.sessions.retrieve("sesn_01missing"), NotFoundError);
    await assert.rejects(
      newSession(client, { ...facts, agent_id: "agent_01missing" }),
      /agent agent_01missing not found/,
    );
    await assert.rejects(newSession(client, { ...facts, environment_id: "env_01missing" }), NotFoundError);
    await assert.rejects(client.beta.sessions.events.stream("sesn_01missing"), NotFoundError);
    await assert.rejects(clientOf(api.url, "wrong").beta.sessions.list(), AuthenticationError);
    await assert.rejects(client.beta.agents.update(facts.agent_id, { version: 9 }), ConflictError);
    await assert.rejects(
      client.beta.sessions.list({}, { headers: { "anthropic-workspace-id": "wrkspc_other" } }),
      PermissionDeniedError,
    );
    await assert.rejects(
      client.beta.sessions.list({}, { headers: { "anthropic-beta": null } }),
      NotFoundError,
    );
  });

  test("with the path of the field, the request id and nothing stored of the batch", async () => {
    const id = await session();
    await assert.rejects(send(api.client, id, message("say ok"), message(""), message("say ok")), (error) => {
      assert.ok(error instanceof BadRequestError);
      assert.match(error.message, /events\.1\.content\.0\.text: minimum string length is 1/);
      assert.match(error.requestID ?? "", /^req_/);
      return true;
    });
    assert.deepEqual(await listed(api.client, id), []);
  });
});

test("the older SDK line's headers are served: x-api-key, 2023-06-01, ?beta=true", async () => {
  const call = async (path: string, body?: object) => {
    const answer = await fetch(`${api.url}${path}`, {
      method: body ? "POST" : "GET",
      headers: {
        "x-api-key": testKey,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "managed-agents-2026-04-01, files-api-2025-04-14",
        "content-type": "application/json",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
      body: body && JSON.stringify(body),
    });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("request-id") ?? "", /^req_/);
    assert.equal(answer.headers.get("anthropic-workspace-id"), "wrkspc_default");
    return answer;
  };
  const created = (await (
    await call("/v1/sessions?beta=true", { agent: facts.agent_id, environment_id: facts.environment_id })
  ).json()) as { id: string };
  const stream = await call(`/v1/sessions/${created.id}/events/stream?beta=true`);
  await call(`/v1/sessions/${created.id}/events?beta=true`, { events: [message("say hi")] });
  let text = "";
  for await (const chunk of stream.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes("event: session.status_idle")) break;
  }
  assert.match(text, /event: agent\.message/);
  const page = (await (
    await call(`/v1/sessions?statuses%5B%5D=idle&statuses[]=running&agent_id=${facts.agent_id}`)
  ).json()) as { data: object[] };
  assert.ok(page.data.length > 0);
});

test("/healthz says ok without a key", async () => {
  const answer = await fetch(`${api.url}/healthz`);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { status: "ok" });
});

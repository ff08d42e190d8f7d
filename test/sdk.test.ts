import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  PermissionDeniedError,
} from "@anthropic-ai/sdk";
import { startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { clientOf, startTestServer, testKey } from "./harness/server.ts";
import {
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

const upstream = await startFakeAnthropic();
const api = await startTestServer({ anthropic_url: upstream.url });
const facts = await prepare(api.client);
const claude = await prepare(api.client, "claude-opus-5-5");
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
    assert.equal(read, "     2\t2\n     3\tthree");
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

test("/healthz fails while the database does not take the server back, and is well again after", async () => {
  const own = await startTestServer();
  const run = (text: string) => own.db.query({ name: text, text }, []);
  const untilStatus = async (status: number) => {
    while ((await fetch(`${own.url}/healthz`)).status !== status) await pause(50);
  };
  try {
    await run("alter table process rename to process_away");
    await run(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
    );
    await untilStatus(503);
    await run("alter table process_away rename to process");
    await untilStatus(200);
    const { id } = await newSession(own.client, await prepare(own.client));
    assert.equal(saidIn(await turn(own.client, id, "say back again")), "back again");
  } finally {
    await own.close();
  }
});

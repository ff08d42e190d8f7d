import assert from "node:assert/strict";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Recovery } from "../src/protocol/events.ts";
import { sends, startSite, type TestSite } from "../src/tools/web/testing.ts";
import { answerReply, type FakeAnthropic, sse, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { freePort } from "./harness/free-port.ts";
import { scraped } from "./harness/metrics.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
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
  typesOf,
} from "./harness/session.ts";
import { waiting } from "./harness/waiting.ts";
import { heldCommand } from "./harness/workspace.ts";

let upstream: FakeAnthropic;
let site: TestSite;
const asked = waiting();
let processes: Processes;
let hands: Awaited<ReturnType<Processes["hands"]>>;
let serve: Awaited<ReturnType<Processes["serve"]>>;
let port: number;
let facts: Facts;

before(async () => {
  upstream = await startFakeAnthropic();
  site = await startSite({
    // Whoever asks first and second waits for ever.
    "/page": (request, response) => {
      asked.ring();
      if (site.asked.length > 2) sends("text/plain", "at last")(request, response);
    },
  });
  processes = await startProcesses({
    anthropic_url: upstream.url,
    settings: { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" },
  });
  port = await freePort();
  [hands, serve] = await Promise.all([processes.hands(), processes.serve(port)]);
  facts = await prepare(serve.client);
});
after(async () => {
  await processes.close();
  await upstream.close();
  site.close();
});

/** Kills `serve` and starts another one on the same port. */
async function killServe() {
  await serve.kill();
  serve = await processes.serve(port);
}

async function start(text: string, model?: string) {
  const agent = model ? (await prepare(serve.client, model)).agent_id : facts.agent_id;
  const { id } = await newSession(serve.client, { ...facts, agent_id: agent });
  const client = reconnecting(serve.client, id);
  await send(serve.client, id, message(text));
  return { id, client, workspace: processes.workspace(id) };
}

/** What a careful client has seen is what the list holds: nothing lost, repeated or in another order. */
async function assertSeenWhole(id: string, client: ReturnType<typeof reconnecting>): Promise<void> {
  await client.until(isIdle);
  await client.close();
  const list = await listed(serve.client, id);
  assert.deepEqual(client.seen, list);
  assert.equal(new Set(list.map((event) => event.id)).size, list.length);
  assert.equal((await serve.client.beta.sessions.retrieve(id)).status, "idle");
  const ends = list.filter((event) => event.type === "span.model_request_end");
  const starts = list.filter((event) => event.type === "span.model_request_start");
  assert.deepEqual(
    ends.map((event) => event.model_request_start_id),
    starts.map((event) => event.id),
  );
}

/** Of every tool result, in order. */
const recoveriesIn = (events: ListedEvent[]) =>
  events.filter(isOf("agent.tool_result")).map((event) => (event as { recovery?: Recovery }).recovery);

const takenOver = async () => (await scraped(serve.metrics_url)).get("drover_sessions_taken_over_total");

/** Null while nobody reads the pipe. */
async function openIfRead(pipe: string): Promise<FileHandle | null> {
  try {
    return await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENXIO") return null;
    throw error;
  }
}

async function openToReader(pipe: string): Promise<FileHandle> {
  for (;;) {
    const file = await openIfRead(pipe);
    if (file) return file;
    await pause(5);
  }
}

async function untilUnread(pipe: string): Promise<void> {
  for (let file = await openIfRead(pipe); file; file = await openIfRead(pipe)) {
    await file.close();
    await pause(5);
  }
}

describe("serve is killed", () => {
  test("while the model writes: the next one closes the span and asks again", async () => {
    const { id, client } = await start(`say ${"word ".repeat(40)}`, "simulated/100");
    await client.until(({ type }) => type === "span.model_request_start");
    await killServe();
    await assertSeenWhole(id, client);
    assert.equal(saidIn(client.seen), "word ".repeat(40).trim());
    assert.deepEqual(
      client.seen.flatMap((event) => (event.type === "span.model_request_end" ? [event.is_error] : [])),
      [true, false],
    );
    assert.ok(client.connections() > 1);
  });

  test("while a command runs: the command goes on, ran once, and its result arrives", async () => {
    const { id, client, workspace } = await start(`bash ${heldCommand}\nthen\nsay done`);
    await workspace.written("runs");
    await killServe();
    workspace.release();
    await assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen), ["1"]);
    assert.equal(await workspace.written("runs"), "run\n");
    assert.equal(saidIn(client.seen), "done");
    assert.equal(await takenOver(), 1);
  });

  test("while a command ends: its kept result arrives", async () => {
    const { id, client, workspace } = await start(`bash ${heldCommand}; echo over > over\nthen\nsay done`);
    await workspace.written("runs");
    await serve.kill();
    workspace.release();
    await workspace.written("over");
    serve = await processes.serve(port);
    await assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen), ["1"]);
    assert.equal(await workspace.written("runs"), "run\n");
  });

  test("twice while a page is fetched: it is fetched again, and the result says so", async () => {
    const url = `${site.url}/page`;
    const { id, client } = await start(`call web_fetch ${JSON.stringify({ url })}\nthen\nsay done`);
    for (const times of [1, 2]) {
      await asked.until(() => site.asked.length >= times || undefined);
      await killServe();
    }
    await assertSeenWhole(id, client);
    assert.match(resultsIn(client.seen)[0] ?? "", /at last$/);
    assert.equal(site.asked.length, 3);
    assert.deepEqual(recoveriesIn(client.seen), [
      { type: "run_again", reason: "the server that ran it ended, or gave the session up", replays: 2 },
    ]);
  });

  test("three times in one turn with parallel calls", async () => {
    const text = `bash ${heldCommand}\ncall write {"file_path":"a","content":"1"}\nthen\nsay done`;
    const { id, client, workspace } = await start(text);
    for (let i = 0; i < 3; i += 1) {
      await workspace.written("runs");
      await killServe();
    }
    workspace.release();
    await assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen).toSorted(), ["1", "Wrote 1 bytes to a."]);
    assert.equal(await workspace.written("runs"), "run\n");
  });

  test("while it waits to try again: the next one tries", async () => {
    const { id, client } = await start("fail overloaded 2\nsay recovered");
    await client.until(({ type }) => type === "session.status_rescheduled");
    await killServe();
    await assertSeenWhole(id, client);
    assert.equal(saidIn(client.seen), "recovered");
  });

  test("with an interrupt that nobody has taken up: it is applied", async () => {
    const { id, client } = await start("hang");
    await client.until(({ type }) => type === "span.model_request_start");
    await serve.kill();
    // The interrupt arrives through a serve that is killed right after it has answered.
    serve = await processes.serve(port);
    await send(serve.client, id, { type: "user.interrupt" });
    await killServe();
    await assertSeenWhole(id, client);
    assert.ok(typesOf(client.seen).includes("user.interrupt"));
  });

  test("while a call is judged: the next one asks again, and the call runs once", async () => {
    const first = upstream.requests.length;
    const calling = answerReply({
      blocks: [{ type: "tool_use", id: "toolu_1", name: "bash", json: ['{"command":"echo run >> runs"}'] }],
    });
    upstream.reply(
      calling,
      { chunks: [], end: "hang" },
      calling,
      textReply('{"verdict":"allow"}'),
      textReply("ok"),
    );
    const judged = await prepare(serve.client, "claude-opus-5-5", "auto");
    const { id } = await newSession(serve.client, judged);
    const client = reconnecting(serve.client, id);
    await send(serve.client, id, message("Go"));
    assert.equal((await upstream.request(first + 1)).body.model, "claude-haiku-5-5");
    await killServe();
    await assertSeenWhole(id, client);
    assert.equal(typesOf(client.seen).filter((type) => type === "agent.tool_use").length, 1);
    assert.equal(await processes.workspace(id).written("runs"), "run\n");
  });

  test("between two requests: the context goes on byte for byte", async () => {
    const first = upstream.requests.length;
    const odd = 'caf\u00e9 \ud83d\ude00 \u2028 \u0000 <tag> "quoted" 1e3';
    upstream.reply(
      {
        chunks: [
          sse([
            {
              type: "message_start",
              message: {
                id: "m",
                type: "message",
                role: "assistant",
                content: [],
                usage: { input_tokens: 1, output_tokens: 1 },
              },
            },
            {
              type: "content_block_start",
              index: 0,
              content_block: { type: "thinking", thinking: "", signature: "" },
            },
            { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm " } },
            { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2ln" } },
            { type: "content_block_stop", index: 0 },
            {
              type: "content_block_start",
              index: 1,
              content_block: { type: "tool_use", id: "toolu_1", name: "bash", input: {} },
            },
            {
              type: "content_block_delta",
              index: 1,
              delta: {
                type: "input_json_delta",
                partial_json: JSON.stringify({
                  z: 1,
                  command: `printf '\\001\\377 done\\n'; # ${odd}`,
                  a: { "10": 1, "2": 2 },
                }),
              },
            },
            { type: "content_block_stop", index: 1 },
            { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 5 } },
            { type: "message_stop" },
          ]),
        ],
      },
      textReply("first turn over"),
      textReply("second turn over"),
      { chunks: [], end: "hang" },
      textReply("third turn over"),
    );
    const { id, client } = await start(odd.replace("\u0000", ""), "claude-opus-5-5");
    await client.until(isIdle);
    await killServe();
    await send(serve.client, id, message("go on"));
    await client.until(isIdle, 2);
    await send(serve.client, id, message("and on"));
    await upstream.request(first + 3);
    await killServe();
    await client.until(isIdle, 3);
    await client.close();
    assert.deepEqual(client.seen, await listed(serve.client, id));

    const texts = upstream.requests.slice(first).map((request) => request.text);
    assert.equal(texts.length, 5);
    assert.equal(texts[4], texts[3], "the request that was cut short is sent again as it was");
    const unmarked = texts.map((text) => text.replaceAll(',"cache_control":{"type":"ephemeral"}', ""));
    for (const [i, text] of unmarked.entries()) {
      const next = unmarked[i + 1];
      if (next !== undefined)
        assert.ok(next.startsWith(text.slice(0, -"]}".length)), `request ${i + 1} changed its past`);
    }
    assert.match(texts[1] ?? "", /"thinking":"hm ","signature":"c2ln"/);
  });
});

describe("serve is told to stop", () => {
  test("while the model writes and while a command runs: it hands both over", async () => {
    const writing = await start(`say ${"word ".repeat(40)}`, "simulated/100");
    const running = await start(`bash ${heldCommand}\nthen\nsay done`);
    await writing.client.until(({ type }) => type === "span.model_request_start");
    await running.workspace.written("runs");
    assert.equal(await serve.stop(), 0);
    serve = await processes.serve(port);
    running.workspace.release();
    await assertSeenWhole(writing.id, writing.client);
    await assertSeenWhole(running.id, running.client);
    assert.equal(saidIn(writing.client.seen), "word ".repeat(40).trim());
    assert.deepEqual(resultsIn(running.client.seen), ["1"]);
    assert.equal(await running.workspace.written("runs"), "run\n");
  });
});

describe("hands is killed", () => {
  test("while a command runs: its outcome is unknown, the session goes on, the workspace is kept", async () => {
    const { id, client, workspace } = await start(`bash ${heldCommand}\nthen\nbash cat runs\nthen\necho`);
    await workspace.written("runs");
    await hands.kill();
    hands = await processes.hands();
    await assertSeenWhole(id, client);
    const [lost, after] = resultsIn(client.seen);
    assert.match(lost ?? "", /outcome of this call is unknown/);
    assert.match(after ?? "", /^run$/m);
    assert.match(after ?? "", /shell was started anew/);
    assert.deepEqual(recoveriesIn(client.seen), [
      {
        type: "outcome_unknown",
        reason: "the sandbox host ended while the command ran; whether it had finished is unknown",
        replays: 0,
      },
      undefined,
    ]);
    const counted = await scraped(serve.metrics_url);
    assert.equal(counted.get('drover_tool_calls_total{tool="bash",outcome="outcome_unknown"}'), 1);
  });

  test("with serve: both come back and the session finishes", async () => {
    const { id, client, workspace } = await start(`bash ${heldCommand}\nthen\nbash cat runs\nthen\nsay done`);
    await workspace.written("runs");
    await Promise.all([hands.kill(), serve.kill()]);
    [serve, hands] = await Promise.all([processes.serve(port), processes.hands()]);
    await assertSeenWhole(id, client);
    const [lost, after] = resultsIn(client.seen);
    assert.match(lost ?? "", /outcome of this call is unknown/);
    assert.match(after ?? "", /^run$/m);
    assert.equal(await workspace.written("runs"), "run\n");
    assert.equal(saidIn(client.seen), "done");
  });

  test("while a tool that only reads runs: it is run again", async () => {
    const { id, client, workspace } = await start(
      `bash mkfifo pipe; echo made > made\nthen\ncall grep {"pattern":"here","path":"/workspace/pipe"}\nthen\nsay done`,
    );
    await workspace.written("made");
    const first = await openToReader(workspace.path("pipe"));
    await hands.kill();
    await first.close();
    await untilUnread(workspace.path("pipe"));
    hands = await processes.hands();
    const second = await openToReader(workspace.path("pipe"));
    await second.write("it is here\n");
    await second.close();
    await assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen).slice(1), ["/workspace/pipe:1:it is here"]);
    assert.deepEqual(recoveriesIn(client.seen), [
      undefined,
      {
        type: "run_again",
        reason: "the sandbox host ended while the command ran; whether it had finished is unknown",
        replays: 1,
      },
    ]);
    const counted = await scraped(serve.metrics_url);
    assert.equal(counted.get('drover_tool_calls_total{tool="grep",outcome="run_again"}'), 1);
    assert.equal(saidIn(client.seen), "done");
  });
});

describe("serve is frozen", () => {
  test("another one takes its sessions over, and when it wakes it changes nothing", async () => {
    const frozen = serve;
    const running = await start(`bash ${heldCommand}\nthen\nsay done`);
    await running.workspace.written("runs");
    const writing = await start(`say ${"slow ".repeat(60)}`, "simulated/150");
    await writing.client.until(({ type }) => type === "span.model_request_start");
    await Promise.all([writing.client.close(), running.client.close()]);
    frozen.freeze();

    serve = await processes.serve(await freePort());
    const clients = [writing, running].map(({ id }) => reconnecting(serve.client, id));
    const [seesWriting, seesRunning] = clients;
    assert.ok(seesWriting && seesRunning);
    // Taken over: the span that the frozen one began is closed by the other.
    await seesWriting.until(({ type }) => type === "span.model_request_end");
    running.workspace.release();
    await assertSeenWhole(writing.id, seesWriting);
    await assertSeenWhole(running.id, seesRunning);
    assert.equal(saidIn(seesWriting.seen), "slow ".repeat(60).trim());
    assert.deepEqual(resultsIn(seesRunning.seen), ["1"]);
    assert.equal(await takenOver(), 2);

    const before = await Promise.all([writing, running].map(({ id }) => listed(serve.client, id)));
    const logs = async () =>
      processes.db.query<{ count: number }>(
        { name: "count", text: "select count(*)::int as count from event where session_id = any($1)" },
        [[writing.id, running.id]],
      );
    const rows = await logs();
    frozen.thaw();
    // It serves again, so whatever it had in mind when it was frozen it has tried by now.
    const late = await newSession(frozen.client, facts);
    await send(frozen.client, late.id, message("say awake"));
    const seesLate = reconnecting(frozen.client, late.id);
    await seesLate.until(isIdle);
    await seesLate.close();
    assert.deepEqual(await logs(), rows);
    assert.deepEqual(await Promise.all([writing, running].map(({ id }) => listed(serve.client, id))), before);
    assert.equal(await running.workspace.written("runs"), "run\n");
    await frozen.kill();
  });
});

import assert from "node:assert/strict";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { sends, startSite, type TestSite } from "../src/tools/web/testing.ts";
import { answerReply, type FakeAnthropic, sse, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { type Crashes, recoveriesIn, startCrashes } from "./harness/crashes.ts";
import { scraped } from "./harness/metrics.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  isIdle,
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
let crashes: Crashes;

before(async () => {
  upstream = await startFakeAnthropic();
  site = await startSite({
    // Whoever asks first and second waits for ever.
    "/page": (request, response) => {
      asked.ring();
      if (site.asked.length > 2) sends("text/plain", "at last")(request, response);
    },
  });
  crashes = await startCrashes({
    anthropic_url: upstream.url,
    settings: { DROVER_ALLOW_PRIVATE_HOSTS: "127.0.0.1" },
  });
});
after(async () => {
  await crashes.processes.close();
  await upstream.close();
  site.close();
});

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
    const { id, client } = await crashes.start(`say ${"word ".repeat(40)}`, "simulated/100");
    await client.until(({ type }) => type === "span.model_request_start");
    await crashes.killServe();
    await crashes.assertSeenWhole(id, client);
    assert.equal(saidIn(client.seen), "word ".repeat(40).trim());
    assert.deepEqual(
      client.seen.flatMap((event) => (event.type === "span.model_request_end" ? [event.is_error] : [])),
      [true, false],
    );
    assert.ok(client.connections() > 1);
  });

  test("while a command ends: its kept result arrives", async () => {
    const { id, client, workspace } = await crashes.start(
      `bash ${heldCommand}; echo over > over\nthen\nsay done`,
    );
    await workspace.written("runs");
    await crashes.serve.kill();
    workspace.release();
    await workspace.written("over");
    crashes.serve = await crashes.processes.serve(crashes.port);
    await crashes.assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen), ["1"]);
    assert.equal(await workspace.written("runs"), "run\n");
  });

  test("twice while a page is fetched: it is fetched again, and the result says so", async () => {
    const url = `${site.url}/page`;
    const { id, client } = await crashes.start(`call web_fetch ${JSON.stringify({ url })}\nthen\nsay done`);
    for (const times of [1, 2]) {
      await asked.until(() => site.asked.length >= times || undefined);
      await crashes.killServe();
    }
    await crashes.assertSeenWhole(id, client);
    assert.match(resultsIn(client.seen)[0] ?? "", /at last$/);
    assert.equal(site.asked.length, 3);
    assert.deepEqual(recoveriesIn(client.seen), [
      { type: "run_again", reason: "the server that ran it ended, or gave the session up", replays: 2 },
    ]);
  });

  test("three times in one turn with parallel calls", async () => {
    const text = `bash ${heldCommand}\ncall write {"file_path":"a","content":"1"}\nthen\nsay done`;
    const { id, client, workspace } = await crashes.start(text);
    for (let i = 0; i < 3; i += 1) {
      await workspace.written("runs");
      await crashes.killServe();
    }
    workspace.release();
    await crashes.assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen).toSorted(), ["1", "Wrote 1 bytes to a."]);
    assert.equal(await workspace.written("runs"), "run\n");
  });

  test("while it waits to try again: the next one tries", async () => {
    const { id, client } = await crashes.start("fail overloaded 2\nsay recovered");
    await client.until(({ type }) => type === "session.status_rescheduled");
    await crashes.killServe();
    await crashes.assertSeenWhole(id, client);
    assert.equal(saidIn(client.seen), "recovered");
  });

  test("with an interrupt that nobody has taken up: it is applied", async () => {
    const { id, client } = await crashes.start("hang");
    await client.until(({ type }) => type === "span.model_request_start");
    await crashes.serve.kill();
    // The interrupt arrives through a serve that is killed right after it has answered.
    crashes.serve = await crashes.processes.serve(crashes.port);
    await send(crashes.serve.client, id, { type: "user.interrupt" });
    await crashes.killServe();
    await crashes.assertSeenWhole(id, client);
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
    const judged = await prepare(crashes.serve.client, "claude-opus-5-5", "auto");
    const { id } = await newSession(crashes.serve.client, judged);
    const client = reconnecting(crashes.serve.client, id);
    await send(crashes.serve.client, id, message("Go"));
    assert.equal((await upstream.request(first + 1)).body.model, "claude-haiku-5-5");
    await crashes.killServe();
    await crashes.assertSeenWhole(id, client);
    assert.equal(typesOf(client.seen).filter((type) => type === "agent.tool_use").length, 1);
    assert.equal(await crashes.processes.workspace(id).written("runs"), "run\n");
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
    const { id, client } = await crashes.start(odd.replace("\u0000", ""), "claude-opus-5-5");
    await client.until(isIdle);
    await crashes.killServe();
    await send(crashes.serve.client, id, message("go on"));
    await client.until(isIdle, 2);
    await send(crashes.serve.client, id, message("and on"));
    await upstream.request(first + 3);
    await crashes.killServe();
    await client.until(isIdle, 3);
    await client.close();
    assert.deepEqual(client.seen, await listed(crashes.serve.client, id));

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
    const writing = await crashes.start(`say ${"word ".repeat(40)}`, "simulated/100");
    const running = await crashes.start(`bash ${heldCommand}\nthen\nsay done`);
    await writing.client.until(({ type }) => type === "span.model_request_start");
    await running.workspace.written("runs");
    assert.equal(await crashes.serve.stop(), 0);
    crashes.serve = await crashes.processes.serve(crashes.port);
    running.workspace.release();
    await crashes.assertSeenWhole(writing.id, writing.client);
    await crashes.assertSeenWhole(running.id, running.client);
    assert.equal(saidIn(writing.client.seen), "word ".repeat(40).trim());
    assert.deepEqual(resultsIn(running.client.seen), ["1"]);
    assert.equal(await running.workspace.written("runs"), "run\n");
  });
});

describe("hands is killed", () => {
  test("with serve: both come back and the session finishes", async () => {
    const { id, client, workspace } = await crashes.start(
      `bash ${heldCommand}\nthen\nbash cat runs\nthen\nsay done`,
    );
    await workspace.written("runs");
    await Promise.all([crashes.hands.kill(), crashes.serve.kill()]);
    [crashes.serve, crashes.hands] = await Promise.all([
      crashes.processes.serve(crashes.port),
      crashes.processes.hands(),
    ]);
    await crashes.assertSeenWhole(id, client);
    const [lost, after] = resultsIn(client.seen);
    assert.match(lost ?? "", /outcome of this call is unknown/);
    assert.match(after ?? "", /^run$/m);
    assert.equal(await workspace.written("runs"), "run\n");
    assert.equal(saidIn(client.seen), "done");
  });

  test("while a tool that only reads runs: it is run again", async () => {
    const { id, client, workspace } = await crashes.start(
      `bash mkfifo pipe; echo made > made\nthen\ncall grep {"pattern":"here","path":"/workspace/pipe"}\nthen\nsay done`,
    );
    await workspace.written("made");
    const first = await openToReader(workspace.path("pipe"));
    await crashes.hands.kill();
    await first.close();
    await untilUnread(workspace.path("pipe"));
    crashes.hands = await crashes.processes.hands();
    const second = await openToReader(workspace.path("pipe"));
    await second.write("it is here\n");
    await second.close();
    await crashes.assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen).slice(1), ["/workspace/pipe:1:it is here"]);
    assert.deepEqual(recoveriesIn(client.seen), [
      undefined,
      {
        type: "run_again",
        reason: "the sandbox host ended while the command ran; whether it had finished is unknown",
        replays: 1,
      },
    ]);
    const counted = await scraped(crashes.serve.metrics_url);
    assert.equal(counted.get('drover_tool_calls_total{tool="grep",outcome="run_again"}'), 1);
    assert.equal(saidIn(client.seen), "done");
  });
});

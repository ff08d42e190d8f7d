import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { answerEvents, type FakeAnthropic, sse, startFakeAnthropic, textReply } from "./fakes/anthropic.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { longTest } from "./harness/long.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { roll } from "./harness/rolling.ts";
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
} from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

type Serve = Awaited<ReturnType<Processes["serve"]>>;

let upstream: FakeAnthropic;
let processes: Processes;
let api: Serve;
let facts: Facts;

before(async () => {
  upstream = await startFakeAnthropic();
  processes = await startProcesses({ anthropic_url: upstream.url });
  await processes.hands();
  api = await processes.serve(await freePort(), "--roles", "api");
  facts = await prepare(api.client);
});
after(async () => {
  await processes.close();
  await upstream.close();
});

const brain = async () => processes.serve(await freePort(), "--roles", "brain");

describe("a process does what its roles say", () => {
  test("with no brain anywhere a session waits for one, and runs as soon as one is there", async () => {
    const { id } = await newSession(api.client, facts);
    const client = reconnecting(api.client, id);
    await send(api.client, id, message("bash echo out of the sandbox\nthen\nsay done"));
    const { waiting_for } = (await api.client.beta.sessions.retrieve(id)) as {
      waiting_for?: { type: string };
    };
    assert.equal(waiting_for?.type, "worker");
    const late = await brain();
    await client.until(isIdle);
    await client.close();
    assert.match(resultsIn(client.seen).join(), /out of the sandbox/);
    assert.equal(await late.stop(), 0);
  });

  test("without the API it says how it is, and nothing else", async () => {
    const only = await brain();
    assert.equal((await fetch(`${only.url}/healthz`)).status, 200);
    await assert.rejects(only.client.beta.agents.list(), { status: 404 });
    await only.stop();
  });

  test("sandboxes are removed by whoever has the jobs", async () => {
    const worker = await brain();
    const { id } = await newSession(api.client, facts);
    const client = reconnecting(api.client, id);
    await send(api.client, id, message("bash echo kept > note.txt"));
    await client.until(isIdle);
    await client.close();
    const note = processes.workspace(id).path("note.txt");
    assert.ok(existsSync(note));
    await api.client.beta.sessions.delete(id);
    const left = async () =>
      (
        await processes.db.query<{ n: number }>(
          { name: "left", text: "select count(*)::int as n from cleanup" },
          [],
        )
      )[0]?.n;
    assert.equal(await left(), 1);
    const jobs = await processes.serve(await freePort(), "--roles", "jobs");
    while ((await left()) !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!existsSync(note));
    await jobs.stop();
    await worker.stop();
  });
});

describe("a brain that is stopped gives its sessions back, in the middle of", () => {
  /** It is gone, nobody else was there, and the session is free. */
  async function stopped(old: Serve, id: string): Promise<void> {
    assert.equal(await old.stop(), 0);
    const text =
      "select lease_owner, runnable_at <= drover_now() as due from session_head where session_id = $1";
    assert.deepEqual(await processes.db.query({ name: "free", text }, [id]), [
      { lease_owner: null, due: true },
    ]);
  }

  async function outcome({ id, client }: { id: string; client: Reconnecting }): Promise<ListedEvent[]> {
    await client.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    await client.close();
    const events = await listed(api.client, id);
    assert.deepEqual(client.seen, events);
    assertOneActor(events);
    await assertLogsWhole(processes.db);
    return events;
  }

  async function begin(facts: Facts, text: string) {
    const { id } = await newSession(api.client, facts);
    const client = reconnecting(api.client, id);
    await send(api.client, id, message(text));
    return { id, client };
  }

  longTest("an answer: what was asked is closed, and the next one asks again", async () => {
    const old = await brain();
    const asked = upstream.requests.length;
    const begun = answerEvents({ blocks: [{ type: "text", text: ["Half an ans"] }] }).slice(0, 4);
    upstream.reply({ chunks: [sse(begun)], end: "hang" }, textReply("Whole."));
    const { id } = await newSession(api.client, await prepare(api.client, "claude-opus-5-5"));
    const client = reconnecting(api.client, id);
    const following = await follow(api.client, id, { event_deltas: ["agent.message"] });
    await send(api.client, id, message("Go on"));
    await following.until(isOf("event_delta"));
    const session = { id, client };
    const request = await upstream.request(asked);
    await stopped(old, session.id);
    following.close();
    assert.equal(await request.ended, "closed");
    const next = await brain();
    const events = await outcome(session);
    assert.equal(saidIn(events), "Whole.");
    assert.deepEqual(
      events.flatMap((event) => (event.type === "span.model_request_end" ? [event.is_error] : [])),
      [true, false],
    );
    await next.stop();
  });

  test("a command, which goes on: its result comes to the next one", async () => {
    const old = await brain();
    const session = await begin(facts, `bash ${heldCommand}\nthen\nsay done`);
    const workspace = processes.workspace(session.id);
    await workspace.written("runs");
    await stopped(old, session.id);
    workspace.release();
    const next = await brain();
    const events = await outcome(session);
    assert.deepEqual(resultsIn(events), ["1"]);
    assert.equal(await workspace.written("runs"), "run\n");
    await next.stop();
  });

  longTest("an approval: the call runs once it is allowed, by the next one", async () => {
    const old = await brain();
    const asking = await prepare(api.client, "simulated", "always_ask");
    const session = await begin(asking, "bash echo run >> runs; cat runs\nthen\nsay done");
    await session.client.until(isIdle);
    const [call] = session.client.seen.filter(({ type }) => type === "agent.tool_use");
    const answer = { tool_use_id: call?.id ?? assert.fail(), result: "allow" } as const;
    assert.equal(await old.stop(), 0);
    await send(api.client, session.id, { type: "user.tool_confirmation", ...answer });
    const next = await brain();
    assert.deepEqual(resultsIn(await outcome(session)), ["run"]);
    await next.stop();
  });
});

longTest(
  "brains that are restarted one after the other hand their sessions over in the middle of turns",
  async () => {
    const brains = [await brain(), await brain()];
    await roll({
      db: processes.db,
      servers: [api],
      async restart(n) {
        const old = brains[n];
        brains[n] = await brain();
        assert.equal(await old?.stop(), 0);
      },
    });
    for (const each of brains) await each.stop();
  },
);

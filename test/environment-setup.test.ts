import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { longTest } from "./harness/long.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { startTestServer } from "./harness/server.ts";
import {
  follow,
  isIdle,
  isOf,
  listed,
  message,
  newSession,
  prepareWithSetup,
  resultsIn,
  type StreamEvent,
  saidIn,
  send,
  setupsIn,
  setupTypesIn,
  turn,
} from "./harness/session.ts";
import { heldCommand, talksUntilReleased } from "./harness/workspace.ts";

const lastReason = (events: readonly StreamEvent[]) => events.findLast(isIdle)?.stop_reason.type;

/** Whether a process of this machine has that among its arguments. */
const runs = (mark: string): boolean =>
  readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark);
    } catch {
      return false;
    }
  });

async function ended(mark: string): Promise<void> {
  while (runs(mark)) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the environment of a session", async () => {
  const api = await startTestServer();
  after(() => api.close());

  test("is set up before its first command, as its stream tells, and once", async () => {
    const facts = await prepareWithSetup(api.client, "echo made > file", talksUntilReleased);
    const { id } = await newSession(api.client, facts);
    const following = await follow(api.client, id);
    await send(api.client, id, message("bash cat file\nthen\nsay done"));
    await following.until((event) => event.type === ("span.environment_setup_ongoing" as string));
    api.workspace(id).release();
    const events = await following.until(isIdle);
    following.close();
    const setups = setupsIn(events);
    assert.deepEqual(setupTypesIn(events), ["start", "end"]);
    const [start, ...rest] = setups;
    for (const event of rest) {
      assert.ok("environment_setup_start_id" in event && event.environment_setup_start_id === start?.id);
    }
    const lines = setups.flatMap((event) =>
      event.type === "span.environment_setup_ongoing" ? [event.message] : [],
    );
    assert.deepEqual([...new Set(lines)], ["still here"]);
    assert.match(resultsIn(events)[0] ?? "", /^made$/m);
    assert.deepEqual(setupsIn(await listed(api.client, id)), setups);
    const named = await api.client.beta.sessions.events.list(id, {
      types: ["span.environment_setup_start" as "span.model_request_start"],
    });
    assert.deepEqual(named.data, [start]);
    assert.deepEqual(setupTypesIn(await turn(api.client, id, "bash rm file\nthen\nsay done")), []);

    const silent = await newSession(api.client, facts);
    assert.deepEqual(setupTypesIn(await turn(api.client, silent.id, "say nothing to do")), []);
    assert.equal(existsSync(api.workspace(silent.id).path("file")), false);
  });

  test("fails the turn with its own words, and is tried again with the next message", async () => {
    const fails = "echo 'no such thing' >&2; [ -e mended ]";
    const facts = await prepareWithSetup(api.client, "echo first >> order", fails, "echo last >> order");
    const { id } = await newSession(api.client, facts);
    const events = await turn(api.client, id, "bash cat order\nbash echo two\nthen\nsay never said");
    assert.deepEqual(setupTypesIn(events), ["start", "end, failed"]);
    const words = /^The environment could not be set up: the setup command .*: no such thing$/s;
    const errors = events.flatMap((event) => (event.type === "session.error" ? [event.error] : []));
    assert.match(errors[0]?.message ?? "", words);
    assert.deepEqual(errors[0]?.retry_status, { type: "exhausted" });
    for (const result of resultsIn(events)) assert.match(result, words);
    assert.equal(resultsIn(events).length, 2);
    assert.equal(saidIn(events), "");
    assert.equal(lastReason(events), "retries_exhausted");

    writeFileSync(api.workspace(id).path("mended"), "");
    const again = await turn(api.client, id, "bash cat order\nthen\nsay done");
    assert.deepEqual(setupTypesIn(again), ["start", "end"]);
    assert.match(resultsIn(again)[0] ?? "", /^first\nlast$/m);
    assert.equal(lastReason(again), "end_turn");
  });

  test("is that of each session, also at the same time", async () => {
    const facts = await prepareWithSetup(api.client, "echo run >> runs; sleep 0.2");
    const sessions = await Promise.all([newSession(api.client, facts), newSession(api.client, facts)]);
    const turns = await Promise.all(
      sessions.map(({ id }) => turn(api.client, id, "bash cat runs\nbash cat runs\nthen\nsay done")),
    );
    for (const events of turns) {
      assert.deepEqual(setupTypesIn(events), ["start", "end"]);
      for (const result of resultsIn(events)) assert.match(result, /^run\n?$/);
    }
  });

  test("is given up with an interrupt, at once, and begun again by the next call", async () => {
    const mark = `interrupted-${process.pid}`;
    const facts = await prepareWithSetup(api.client, `: ${mark}; ${heldCommand}`);
    const { id } = await newSession(api.client, facts);
    const following = await follow(api.client, id);
    await send(api.client, id, message("bash echo one\nthen\nsay never said"));
    await api.workspace(id).written("runs");
    assert.ok(runs(mark));
    await send(api.client, id, { type: "user.interrupt" });
    const events = await following.until(isIdle);
    assert.deepEqual(setupTypesIn(events), ["start", "end, failed"]);
    await ended(mark);
    assert.match(resultsIn(events)[0] ?? "", /interrupted before completion/);
    assert.equal(lastReason(events), "end_turn");
    await send(api.client, id, message("bash cat runs\nthen\nsay done"));
    await following.until((event) => setupsIn([event])[0]?.type === "span.environment_setup_start", 2);
    api.workspace(id).release();
    const all = await following.until(isIdle, 2);
    following.close();
    assert.deepEqual(setupTypesIn(all), ["start", "end, failed", "start", "end"]);
    assert.match(resultsIn(all)[1] ?? "", /^run\nrun\n?$/);
  });

  test("is what a fork has again, in a sandbox of its own", async () => {
    const facts = await prepareWithSetup(api.client, "echo run >> runs");
    const { id } = await newSession(api.client, facts);
    const kept = api.hands.kept(id);
    const events = await turn(api.client, id, "bash cat runs\nthen\nsay done");
    await kept;
    const points = [
      { event_id: events.find(isOf("agent.tool_use"))?.id, told: [] },
      { event_id: setupsIn(events)[0]?.id, told: ["start", "end, failed"] },
      { event_id: setupsIn(events).at(-1)?.id, told: ["start", "end"] },
      { event_id: undefined, told: ["start", "end"] },
    ];
    for (const { event_id, told } of points) {
      const fork = await api.client.post<{ id: string }>(`/v1/sessions/${id}/fork`, { body: { event_id } });
      assert.deepEqual(setupTypesIn(await listed(api.client, fork.id)), told);
      const further = await turn(api.client, fork.id, "bash cat runs\nthen\nsay done");
      assert.deepEqual(setupTypesIn(further), ["start", "end"]);
      assert.match(resultsIn(further)[0] ?? "", /^run$/m);
    }
  });
});

describe("in the middle of a set-up", () => {
  let processes: Processes;
  let hands: Running;
  let serve: Serve;
  let port: number;
  before(async () => {
    processes = await startProcesses();
    hands = await processes.hands();
    port = await freePort();
    serve = await processes.serve(port);
  });
  after(() => processes.close());

  async function begin(): Promise<{ id: string; client: Reconnecting }> {
    const facts = await prepareWithSetup(
      serve.client,
      "echo before >> order",
      heldCommand,
      "echo after >> order",
    );
    const { id } = await newSession(serve.client, facts);
    const client = reconnecting(serve.client, id);
    await send(serve.client, id, message("bash cat runs order\nthen\nsay done"));
    await processes.workspace(id).written("runs");
    return { id, client };
  }

  async function outcome({ id, client }: Awaited<ReturnType<typeof begin>>): Promise<string> {
    await client.until(isIdle);
    await client.close();
    const events = await listed(serve.client, id);
    assert.deepEqual(client.seen, events);
    assertOneActor(events);
    await assertLogsWhole(processes.db);
    assert.deepEqual(setupTypesIn(events), ["start", "end"]);
    assert.equal(saidIn(events), "done");
    assert.equal(resultsIn(events).length, 1);
    return readFileSync(processes.workspace(id).path("order"), "utf8");
  }

  longTest("the server is killed: it goes on, and the next one waits for it", async () => {
    const session = await begin();
    await serve.kill();
    serve = await processes.serve(port);
    processes.workspace(session.id).release();
    assert.equal(await outcome(session), "before\nafter\n");
    assert.equal(readFileSync(processes.workspace(session.id).path("runs"), "utf8"), "run\n");
  });

  longTest(
    "the sandbox host is killed: the command whose end nobody saw is run again, and no other",
    async () => {
      const session = await begin();
      await hands.kill();
      hands = await processes.hands();
      processes.workspace(session.id).release();
      assert.equal(await outcome(session), "before\nafter\n");
      assert.equal(readFileSync(processes.workspace(session.id).path("runs"), "utf8"), "run\nrun\n");
    },
  );

  test("both are", async () => {
    const session = await begin();
    await Promise.all([serve.kill(), hands.kill()]);
    [hands, serve] = await Promise.all([processes.hands(), processes.serve(port)]);
    processes.workspace(session.id).release();
    assert.equal(await outcome(session), "before\nafter\n");
  });
});

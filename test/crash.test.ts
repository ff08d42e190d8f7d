import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Crashes, recoveriesIn, startCrashes } from "./harness/crashes.ts";
import { freePort } from "./harness/free-port.ts";
import { scraped } from "./harness/metrics.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import { isIdle, listed, message, newSession, resultsIn, saidIn, send } from "./harness/session.ts";
import { heldCommand } from "./harness/workspace.ts";

let crashes: Crashes;

before(async () => {
  crashes = await startCrashes();
});
after(() => crashes.processes.close());

describe("serve is killed", () => {
  test("while a command runs: the command goes on, ran once, and its result arrives", async () => {
    const { id, client, workspace } = await crashes.start(`bash ${heldCommand}\nthen\nsay done`);
    await workspace.written("runs");
    await crashes.killServe();
    workspace.release();
    await crashes.assertSeenWhole(id, client);
    assert.deepEqual(resultsIn(client.seen), ["1"]);
    assert.equal(await workspace.written("runs"), "run\n");
    assert.equal(saidIn(client.seen), "done");
    assert.equal(await crashes.takenOver(), 1);
  });
});

describe("hands is killed", () => {
  test("while a command runs: its outcome is unknown, the session goes on, the workspace is kept", async () => {
    const { id, client, workspace } = await crashes.start(
      `bash ${heldCommand}\nthen\nbash cat runs\nthen\necho`,
    );
    await workspace.written("runs");
    await crashes.hands.kill();
    crashes.hands = await crashes.processes.hands();
    await crashes.assertSeenWhole(id, client);
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
    const counted = await scraped(crashes.serve.metrics_url);
    assert.equal(counted.get('drover_tool_calls_total{tool="bash",outcome="outcome_unknown"}'), 1);
  });
});

describe("serve is frozen", () => {
  test("another one takes its sessions over, and when it wakes it changes nothing", async () => {
    const frozen = crashes.serve;
    const running = await crashes.start(`bash ${heldCommand}\nthen\nsay done`);
    await running.workspace.written("runs");
    const writing = await crashes.start(`say ${"slow ".repeat(60)}`, "simulated/150");
    await writing.client.until(({ type }) => type === "span.model_request_start");
    await Promise.all([writing.client.close(), running.client.close()]);
    frozen.freeze();

    crashes.serve = await crashes.processes.serve(await freePort());
    const clients = [writing, running].map(({ id }) => reconnecting(crashes.serve.client, id));
    const [seesWriting, seesRunning] = clients;
    assert.ok(seesWriting && seesRunning);
    // Taken over: the span that the frozen one began is closed by the other.
    await seesWriting.until(({ type }) => type === "span.model_request_end");
    running.workspace.release();
    await crashes.assertSeenWhole(writing.id, seesWriting);
    await crashes.assertSeenWhole(running.id, seesRunning);
    assert.equal(saidIn(seesWriting.seen), "slow ".repeat(60).trim());
    assert.deepEqual(resultsIn(seesRunning.seen), ["1"]);
    assert.equal(await crashes.takenOver(), 2);

    const before = await Promise.all([writing, running].map(({ id }) => listed(crashes.serve.client, id)));
    const logs = async () =>
      crashes.processes.db.query<{ count: number }>(
        { name: "count", text: "select count(*)::int as count from event where session_id = any($1)" },
        [[writing.id, running.id]],
      );
    const rows = await logs();
    frozen.thaw();
    // It serves again, so whatever it had in mind when it was frozen it has tried by now.
    const late = await newSession(frozen.client, crashes.facts);
    await send(frozen.client, late.id, message("say awake"));
    const seesLate = reconnecting(frozen.client, late.id);
    await seesLate.until(isIdle);
    await seesLate.close();
    assert.deepEqual(await logs(), rows);
    assert.deepEqual(
      await Promise.all([writing, running].map(({ id }) => listed(crashes.serve.client, id))),
      before,
    );
    assert.equal(await running.workspace.written("runs"), "run\n");
    await frozen.kill();
  });
});

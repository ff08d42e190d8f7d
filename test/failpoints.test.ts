import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type Failpoint, failpoints } from "../src/failpoints.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
  isIdle,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";

/** Each place at which a process can be made to die is met here. */
let processes: Processes;
let api: Serve;
let brain: Serve;
let hands: Running;
let facts: Facts;
const met = new Set<string>();

before(async () => {
  processes = await startProcesses({ crashable: true });
  hands = await processes.hands();
  brain = await startBrain();
  api = await processes.serve(await freePort(), "--roles", "api");
  facts = await prepare(api.client);
});
after(() => processes.close());

const startBrain = async () => processes.serve(await freePort(), "--roles", "brain");

const text = "bash echo run >> runs\nthen\nbash grep -c run runs\nthen\nsay done";

/** One turn with two commands, during which `doomed` dies and `next` takes its place. */
async function play(doomed: Running, point: Failpoint, next: () => Promise<unknown>) {
  const { id } = await newSession(api.client, facts);
  const client = reconnecting(api.client, id);
  await doomed.crashAt({ point, nth: 0 });
  await send(api.client, id, message(text));
  const at = await doomed.ended;
  assert.equal(at, point);
  met.add(at);
  await next();
  await client.until(isIdle);
  await client.close();
  const events = await listed(api.client, id);
  assert.deepEqual(client.seen, events);
  assertOneActor(events);
  await assertLogsWhole(processes.db);
  assert.equal(saidIn(events), "done");
  const file = processes.workspace(id).path("runs");
  const runs = existsSync(file) ? readFileSync(file, "utf8").match(/run/g) : null;
  return { results: resultsIn(events), runs: runs?.length ?? 0 };
}

describe("a brain dies, and the next one goes on; the command runs once", () => {
  const ofBrains = [
    "claimed",
    "append_asked",
    "append_done",
    "model_asked",
    "model_said",
    "tool_asked",
    "tool_answered",
  ] as const;
  for (const point of ofBrains) {
    test(point, async () => {
      const { results, runs } = await play(brain, point, async () => {
        brain = await startBrain();
      });
      assert.equal(results.at(-1), "1");
      assert.equal(runs, 1);
    });
  }
});

describe("hands dies, and says what it knows", () => {
  /** What of the first command was done, and what the model is told of it. */
  const expected = [
    ["call_read", 1, /No output/],
    ["call_noted", 0, /outcome of this call is unknown/],
    ["call_ended", 1, /outcome of this call is unknown/],
    ["call_kept", 1, /No output/],
  ] as const;
  for (const [point, ran, told] of expected) {
    test(point, async () => {
      const { results, runs } = await play(hands, point, async () => {
        hands = await processes.hands();
      });
      assert.match(results[0] ?? "", told);
      // grep has no file to count in where nothing ran.
      if (ran > 0) assert.match(results[1] ?? "", new RegExp(`^${ran}$`, "m"));
      assert.equal(runs, ran);
    });
  }
});

describe("a server dies over a request with a key, and the one who repeats it finds it done once", () => {
  for (const point of ["answer_written", "answer_committed"] as const) {
    test(point, async () => {
      const { id } = await newSession(api.client, facts);
      const doomed = await processes.serve(await freePort(), "--roles", "api");
      await doomed.crashAt({ point, nth: 0 });
      const headers = { "idempotency-key": randomUUID() };
      const ask = (client: Serve["client"]) =>
        client.beta.sessions.events.send(id, { events: [message("say hi")] }, { headers, maxRetries: 0 });
      await assert.rejects(ask(doomed.client));
      met.add((await doomed.ended) ?? "");
      const answer = await ask(api.client);
      assert.deepEqual(answer, await ask(api.client));
      const client = reconnecting(api.client, id);
      await client.until(isIdle);
      await client.close();
      const sent = client.seen.filter(({ type }) => type === "user.message").map((event) => event.id);
      assert.deepEqual(
        sent,
        answer.data?.map((event) => event.id),
      );
    });
  }
});

test("every place was met", () => {
  assert.deepEqual([...met].toSorted(), [...failpoints].toSorted());
});

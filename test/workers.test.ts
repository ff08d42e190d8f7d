import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { AuthenticationError } from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { betaAgentToolset20260401 } from "@anthropic-ai/sdk/tools/agent-toolset/node";
import { z } from "zod";
import { killed, sdkWorker, workerProcess } from "./harness/sdk-workers.ts";
import {
  calledBash,
  eventually,
  hostedSession,
  newHostedSession,
  type SelfHosted,
  selfHosted,
  taken,
} from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, listed, message, type StreamEvent, saidIn, send } from "./harness/session.ts";

const api = await startTestServer({ work_lease_ms: 2_000 });
const folders = mkdtempSync(join(tmpdir(), "drover-workers-"));
after(async () => {
  await api.close();
  rmSync(folders, { recursive: true, force: true });
});

const newFolder = () => {
  const folder = join(folders, crypto.randomUUID());
  mkdirSync(folder);
  return folder;
};

const worker = (own: SelfHosted, options: Parameters<typeof sdkWorker>[1]) =>
  sdkWorker({ client: own.client, environmentId: own.environmentId, environmentKey: own.key }, options);

const endsTurn = (event: StreamEvent) => isIdle(event) && event.stop_reason.type === "end_turn";
const waits = (event: StreamEvent) => isIdle(event) && event.stop_reason.type === "requires_action";

/** A session that was told this, and a stream from before. */
async function told(own: SelfHosted, ...lines: string[]) {
  const { id } = await newHostedSession(own);
  const stream = await follow(own.client, id);
  await send(own.client, id, message(lines.join("\n")));
  return { id, stream };
}

const isStopped = (own: SelfHosted, id: string) =>
  eventually(
    () => hostedSession(own, id),
    ({ work }) => work?.state === "stopped",
  );

describe("the SDK's worker, unmodified,", () => {
  test("serves a session from end to end, and the log says that it did", async () => {
    const own = await selfHosted(api);
    const workdir = newFolder();
    const serving = worker(own, { workdir, workerId: "w1" });
    const { id, stream } = await told(
      own,
      'call write {"file_path":"a.csv","content":"1\\n2\\n3\\n"}',
      "then",
      "bash paste -sd+ a.csv | bc > sum; cat sum",
      "then",
      'call read {"file_path":"sum"}',
      "then",
      "echo",
    );
    const events = await stream.until(endsTurn);
    assert.match(saidIn(events), /6/);
    assert.equal(readFileSync(join(workdir, "a.csv"), "utf8"), "1\n2\n3\n");
    const ended = await isStopped(own, id);
    const results = events.filter(isOf("user.tool_result")) as unknown as { worker: object }[];
    assert.equal(results.length, 3);
    for (const result of results) {
      assert.deepEqual(result.worker, { work_id: ended.work?.id, worker_id: "w1" });
    }
    assert.equal(ended.work?.worker_id, "w1");

    // It left when it had nothing to do, and comes back for the next message.
    const later = await follow(own.client, id);
    await send(own.client, id, message("bash cat sum\nthen\necho"));
    assert.match(saidIn(await later.until(endsTurn)), /6/);
    assert.notEqual((await hostedSession(own, id)).work?.id, ended.work?.id);
    await serving.stop();
  });

  test("makes calls of one reply, and answers them with what is empty too", async () => {
    const own = await selfHosted(api);
    const serving = worker(own, { workdir: newFolder() });
    const { stream } = await told(own, "repeat 12 bash true", "then", "say all of them");
    const events = await stream.until(endsTurn);
    assert.equal(events.filter(isOf("user.tool_result")).length, 12);
    assert.match(saidIn(events), /all of them/);
    await serving.stop();
  });

  test("runs what the user allows, and not what they reject", async () => {
    const own = await selfHosted(api, "always_ask");
    const workdir = newFolder();
    const serving = worker(own, { workdir });
    const { id, stream } = await told(own, "bash touch yes", "bash touch no", "then", "echo");
    const asked = await stream.until(waits);
    const [yes = "", no = ""] = asked.filter(isOf("agent.tool_use")).map((event) => event.id);
    await eventually(
      () => hostedSession(own, id),
      ({ work }) => work?.state === "active",
    );
    await send(own.client, id, { type: "user.tool_confirmation", tool_use_id: yes, result: "allow" });
    await stream.until(isOf("user.tool_result"));
    const deny = { result: "deny" as const, deny_message: "not that" };
    await send(own.client, id, { type: "user.tool_confirmation", tool_use_id: no, ...deny });
    assert.match(saidIn(await stream.until(endsTurn)), /rejected this call: not that/);
    assert.ok(existsSync(join(workdir, "yes")));
    assert.ok(!existsSync(join(workdir, "no")));
    await serving.stop();
  });

  test("runs custom tools beside the others", async () => {
    const own = await selfHosted(api);
    const agent = await own.client.beta.agents.create({
      name: "custom",
      model: "simulated",
      tools: [
        { type: "agent_toolset_20260401" },
        { type: "custom", name: "look", description: "Looks", input_schema: { type: "object" } },
      ],
    });
    const look = betaZodTool({
      name: "look",
      description: "Looks",
      inputSchema: z.object({}),
      run: () => "seen",
    });
    const serving = worker(own, {
      workdir: newFolder(),
      workerId: "w1",
      tools: (context) => [...betaAgentToolset20260401(context), look],
    });
    const { stream } = await told(
      { ...own, agentId: agent.id },
      "call look {}",
      "bash echo ran",
      "then",
      "echo",
    );
    const events = await stream.until(endsTurn);
    assert.match(saidIn(events), /seen\s+ran/);
    const [result] = events.filter(isOf("user.custom_tool_result")) as unknown as { worker: object }[];
    assert.match(JSON.stringify(result?.worker), /"w1"/);
    await serving.stop();
  });

  test("leaves a session that is archived, and serves the next one", async () => {
    const own = await selfHosted(api);
    const serving = worker(own, { workdir: newFolder(), maxIdleMs: 60_000 });
    const first = await told(own, "bash true", "then", "echo");
    await first.stream.until(endsTurn);
    await own.client.beta.sessions.archive(first.id);
    const second = await told(own, "bash true", "then", "say next");
    assert.match(saidIn(await second.stream.until(endsTurn)), /next/);
    await serving.stop();
  });

  test("that ends in the middle of a call leaves the session to the next one", async () => {
    const own = await selfHosted(api);
    const workdir = newFolder();
    const first = worker(own, { workdir, workerId: "w1" });
    const { stream } = await told(
      own,
      "bash echo ran >> ran; sleep 60",
      "then",
      "bash cat ran",
      "then",
      "echo",
    );
    await eventually(async () => existsSync(join(workdir, "ran")), Boolean);
    await first.stop();
    const second = worker(own, { workdir, workerId: "w2" });
    const events = await stream.until(endsTurn);
    const results = events.filter(isOf("user.tool_result"));
    assert.match(JSON.stringify(results[0]), /outcome_unknown.*the worker w1 has stopped its work/);
    assert.match(JSON.stringify(results[1]), /"ran\\?n?"/);
    assert.equal(readFileSync(join(workdir, "ran"), "utf8"), "ran\n");
    await second.stop();
  });

  test("that is interrupted does not make the next one run the call again", async () => {
    const own = await selfHosted(api);
    const workdir = newFolder();
    const first = worker(own, { workdir });
    const { id, stream } = await told(own, "bash echo ran >> ran; sleep 5");
    await eventually(async () => existsSync(join(workdir, "ran")), Boolean);
    await send(own.client, id, { type: "user.interrupt" });
    await stream.until(endsTurn);
    await first.stop();
    const second = worker(own, { workdir });
    const later = await follow(own.client, id);
    await send(own.client, id, message("bash cat ran\nthen\necho"));
    await later.until(endsTurn);
    assert.equal(readFileSync(join(workdir, "ran"), "utf8"), "ran\n");
    await second.stop();
  });
});

test("a worker that stands still loses its session, and nothing it does after that counts", async () => {
  const own = await selfHosted(api);
  const workdir = newFolder();
  const frozen = await workerProcess(own, { workdir, name: "frozen" });
  const { id, stream } = await told(
    own,
    "bash echo ran >> ran; sleep 2",
    "then",
    "bash cat ran",
    "then",
    "echo",
  );
  await eventually(async () => existsSync(join(workdir, "ran")), Boolean);
  frozen.kill("SIGSTOP");
  await stream.until(isOf("user.tool_result"));
  const other = worker(own, { workdir, workerId: "other" });
  frozen.kill("SIGCONT");
  const events = await stream.until(endsTurn);
  await other.stop();
  await killed(frozen);
  const results = (await listed(own.client, id)).filter((event) => event.type === "user.tool_result");
  assert.equal(results.length, events.filter(isOf("agent.tool_use")).length);
  assert.match(JSON.stringify(results[0]), /outcome_unknown.*the worker frozen was not heard of/);
  assert.equal(readFileSync(join(workdir, "ran"), "utf8"), "ran\n");
});

test("a result counts that comes before the brain has taken up what allows it", async () => {
  const first = await startTestServer();
  const front = await startTestServer({ beside: first, roles: ["api"] });
  try {
    const own = await selfHosted(front, "always_ask");
    const { id, callId, stream } = await calledBash(own);
    await stream.until(waits);
    await first.stop();
    const { holder } = await taken(own);
    const content = [{ type: "text" as const, text: "done" }];
    const result = { type: "user.tool_result" as const, tool_use_id: callId, content };
    await assert.rejects(send(holder, id, result), /does not match any `agent.tool_use` event/);
    await send(own.client, id, { type: "user.tool_confirmation", tool_use_id: callId, result: "allow" });
    await send(holder, id, result);
    const back = await startTestServer({ beside: first });
    assert.match(saidIn(await stream.until(endsTurn)), /done/);
    await back.stop();
  } finally {
    await front.stop();
    await first.close();
  }
});

const offerNow = {
  name: "work_offer_now",
  text: `update work_item set offered_at = drover_now(), attempts = 0
    where environment_id = $1 and state = 'queued' and offered_at > drover_now()`,
};

test("work can be handed to another process: a poller that is done with it at once does not lose it", async () => {
  const own = await selfHosted(api);
  const { stream } = await told(own, "bash echo handed", "then", "echo");
  const stop = new AbortController();
  const handed: Promise<void>[] = [];
  const poller = own.client.beta.environments.work.poller({
    environmentId: own.environmentId,
    environmentKey: own.key,
    signal: stop.signal,
  });
  const polling = (async () => {
    for await (const work of poller) {
      // The loop goes on, and the poller asks for the stop of what somebody else has just begun.
      const { id: workId, environment_id: environmentId, data, secret } = work;
      const item = { workId, environmentId, sessionId: data.id, workSecret: secret ?? "" };
      const serving = own.client.beta.environments.work.worker({ workdir: newFolder(), maxIdleMs: 300 });
      handed.push(serving.handleItem(item));
    }
  })();
  // What it stops too early rests before it is offered again, each time twice as long, and is given up in the end: not here.
  const rests = setInterval(() => api.db.query(offerNow, [own.environmentId]).catch(() => {}), 200);
  const events = await stream.until(endsTurn).finally(() => clearInterval(rests));
  stop.abort();
  await polling.catch(() => {});
  await Promise.allSettled(handed);
  assert.match(saidIn(events), /handed|outcome of this call is unknown/);
});

test("a session waits for a worker as long as it takes, and says what it waits for", async () => {
  const own = await selfHosted(api);
  const { id, callId, stream } = await calledBash(own, "echo here");
  await stream.until(waits);
  const waiting = await hostedSession(own, id);
  assert.deepEqual(waiting.waiting_for?.event_ids, [callId]);
  assert.deepEqual(waiting.work, {
    id: waiting.work?.id,
    state: "queued",
    worker_id: null,
    worker_seen_at: null,
  });
  const serving = worker(own, { workdir: newFolder() });
  assert.match(saidIn(await stream.until(endsTurn)), /here/);
  await serving.stop();
});

test("a fork has no call that a worker of the other session may have begun", async () => {
  const own = await selfHosted(api);
  const { id, stream } = await calledBash(own);
  await stream.until(waits);
  const { token } = await taken(own);
  const fork = await own.client.post<{ id: string }>(`/v1/sessions/${id}/fork`, { body: {} });
  const results = (await listed(own.client, fork.id)).filter(({ type }) => type === "user.tool_result");
  assert.match(JSON.stringify(results), /interrupted before completion/);
  const workdir = newFolder();
  const serving = worker(own, { workdir });
  const later = await follow(own.client, fork.id);
  await send(own.client, fork.id, message("bash echo forked\nthen\necho"));
  assert.match(saidIn(await later.until(endsTurn)), /forked/);
  await serving.stop();
  await assert.rejects(own.as(`${token}x`).beta.sessions.retrieve(id), AuthenticationError);
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { APIError, AuthenticationError, BadRequestError, ConflictError } from "@anthropic-ai/sdk";
import { BetaHeartbeatPreconditionFailedError } from "@anthropic-ai/sdk/resources/beta/environments/work";
import { limits } from "../src/limits.ts";
import {
  calledBash,
  eventually,
  hostedSession,
  newHostedSession,
  polled,
  selfHosted,
  taken,
  tokenOf,
} from "./harness/self-hosted.ts";
import { beta, startTestServer } from "./harness/server.ts";
import { isIdle, isOf, listed, saidIn, send } from "./harness/session.ts";

const api = await startTestServer();
after(() => api.close());

const none = async (own: Awaited<ReturnType<typeof selfHosted>>) =>
  assert.equal(await own.worker.beta.environments.work.poll(own.environmentId), null);

const isConflict = (error: unknown) =>
  error instanceof ConflictError && error.headers?.get("x-should-retry") === "false";

describe("the queue", () => {
  test("has an item for each session, which one poll gets, with a secret that nothing else shows", async () => {
    const own = await selfHosted(api);
    await none(own);
    const session = await newHostedSession(own);
    assert.equal(session.work?.state, "queued");
    const work = await polled(own, { "Anthropic-Worker-ID": "w1" });
    assert.deepEqual(work.data, { type: "session", id: session.id });
    assert.equal(work.id, session.work?.id);
    assert.equal(work.state, "queued");
    assert.match(tokenOf(work), /^drover-work-/);
    await none(own);

    const place = { environment_id: own.environmentId };
    const shown = await own.client.beta.environments.work.retrieve(work.id, place);
    assert.deepEqual(shown, { ...work, secret: null });
    assert.deepEqual((await own.worker.beta.environments.work.list(own.environmentId)).data, [shown]);
    const ofClient = (id: string) => own.client.get<{ data: unknown[] }>(`/v1/environments/${id}/work_items`);
    assert.deepEqual((await ofClient(own.environmentId)).data, [shown]);
    await assert.rejects(ofClient("env_01AAAAAAAAAAAAAAAAAAAAAA"), { status: 404 });
    const acknowledged = await own.worker.beta.environments.work.ack(work.id, place);
    assert.equal(acknowledged.secret, null);
    assert.equal(acknowledged.state, "starting");
    assert.ok(acknowledged.acknowledged_at);
  });

  test("answers a poll that waits as soon as there is work", async () => {
    const own = await selfHosted(api);
    const waiting = polled(own);
    const { id } = await newHostedSession(own);
    assert.equal((await waiting).data.id, id);
  });

  test("refuses times that are out of range", async () => {
    const own = await selfHosted(api);
    const poll = (params: object) => own.worker.beta.environments.work.poll(own.environmentId, params);
    for (const params of [{ block_ms: 1_000 }, { block_ms: 0 }, { reclaim_older_than_ms: -1 }])
      await assert.rejects(poll(params), BadRequestError);
    await assert.rejects(poll({ "Anthropic-Worker-ID": "w".repeat(201) }), BadRequestError);
  });

  test("offers again what was not acknowledged, to one, and not what was", async () => {
    const own = await selfHosted(api);
    await newHostedSession(own);
    const first = await polled(own);
    await none(own);
    const again = await polled(own, { reclaim_older_than_ms: 0 });
    assert.equal(again.id, first.id);
    const place = { environment_id: own.environmentId };
    // Both have polled it; the newer secret is the one that counts.
    await own.worker.beta.environments.work.ack(again.id, place);
    await own.worker.beta.environments.work.ack(again.id, place);
    const beat = { ...place, expected_last_heartbeat: "NO_HEARTBEAT" };
    await assert.rejects(
      own.as(tokenOf(first)).beta.environments.work.heartbeat(first.id, beat),
      AuthenticationError,
    );
    await own.as(tokenOf(again)).beta.environments.work.heartbeat(again.id, beat);
    const late = await own.worker.beta.environments.work.poll(own.environmentId, {
      reclaim_older_than_ms: 0,
    });
    assert.equal(late, null);
    await assert.rejects(own.worker.beta.environments.work.ack(again.id, place), isConflict);
  });

  test("takes no acknowledgement of what no poll has got", async () => {
    const own = await selfHosted(api);
    const { work } = await newHostedSession(own);
    const place = { environment_id: own.environmentId };
    await assert.rejects(own.worker.beta.environments.work.ack(work?.id ?? "", place), isConflict);
  });

  test("counts what waits, and who polls", async () => {
    const own = await selfHosted(api);
    const stats = () => own.client.beta.environments.work.stats(own.environmentId);
    const empty = {
      type: "work_queue_stats",
      depth: 0,
      pending: 0,
      oldest_queued_at: null,
      workers_polling: 0,
    };
    assert.deepEqual(await stats(), empty);
    const { created_at } = await newHostedSession(own);
    await newHostedSession(own);
    const work = await polled(own, { "Anthropic-Worker-ID": "w1" });
    await polled(own, { "Anthropic-Worker-ID": "w1", reclaim_older_than_ms: 86_400_000 });
    await own.worker.beta.environments.work.poll(own.environmentId, { "Anthropic-Worker-ID": "w2" });
    const both = { ...empty, pending: 2, oldest_queued_at: created_at, workers_polling: 2 };
    assert.deepEqual(await stats(), both);
    await own.worker.beta.environments.work.ack(work.id, { environment_id: own.environmentId });
    assert.equal((await stats()).pending, 1);
    await newHostedSession(own);
    assert.equal((await own.worker.beta.environments.work.stats(own.environmentId)).depth, 1);
  });

  test("keeps metadata, merged by key", async () => {
    const own = await selfHosted(api);
    const { work } = await newHostedSession(own);
    const update = (metadata: Record<string, string | null>) =>
      own.client.beta.environments.work.update(work?.id ?? "", {
        environment_id: own.environmentId,
        metadata,
      });
    assert.deepEqual((await update({ a: "1", b: "2" })).metadata, { a: "1", b: "2" });
    assert.deepEqual((await update({ a: null, c: "3" })).metadata, { b: "2", c: "3" });
    const many = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, "v"]));
    await assert.rejects(update(many), BadRequestError);
  });
});

describe("a lease", () => {
  test("is held by whoever knows the last heartbeat", async () => {
    const own = await selfHosted(api);
    await newHostedSession(own);
    const { work, holder, last_heartbeat } = await taken(own);
    const beat = (expected_last_heartbeat: string | null, desired_ttl_seconds: number | null = null) =>
      holder.beta.environments.work.heartbeat(work.id, {
        environment_id: own.environmentId,
        expected_last_heartbeat,
        desired_ttl_seconds,
      });
    const next = await beat(last_heartbeat);
    assert.deepEqual(next, {
      type: "work_heartbeat",
      last_heartbeat: next.last_heartbeat,
      lease_extended: true,
      state: "active",
      ttl_seconds: limits.work_lease_ms / 1_000,
    });
    assert.ok(next.last_heartbeat > last_heartbeat);
    for (const stale of [last_heartbeat, "NO_HEARTBEAT", "yesterday"]) {
      // What is refused asks for another time in vain.
      await assert.rejects(beat(stale, 17), (error) => {
        assert.ok(error instanceof BetaHeartbeatPreconditionFailedError);
        assert.deepEqual(error.details.current_state, {
          last_heartbeat: next.last_heartbeat,
          lease_extended: false,
          state: "active",
          ttl_seconds: next.ttl_seconds,
        });
        return true;
      });
    }
    assert.equal((await beat(null)).lease_extended, true);
  });

  test("that runs out puts the item back into the queue, for another worker", async () => {
    const own = await selfHosted(api);
    await newHostedSession(own);
    const first = await taken(own, { worker_id: "w1", ttl_seconds: 1 });
    const again = await taken(own, { worker_id: "w2" });
    assert.equal(again.work.id, first.work.id);
    const expected_last_heartbeat = first.last_heartbeat;
    const place = { environment_id: own.environmentId };
    const late = { ...place, expected_last_heartbeat };
    await assert.rejects(
      first.holder.beta.environments.work.heartbeat(first.work.id, late),
      AuthenticationError,
    );
    await assert.rejects(
      own.worker.beta.environments.work.heartbeat(first.work.id, late),
      BetaHeartbeatPreconditionFailedError,
    );
    const { worker_id } = (await own.client.beta.environments.work.retrieve(again.work.id, place)) as {
      worker_id?: string;
    };
    assert.equal(worker_id, "w2");
  });

  test("that runs out leaves a call open that its worker has not seen", async () => {
    const own = await selfHosted(api);
    const { id, callId } = await calledBash(own);
    await taken(own, { ttl_seconds: 1 });
    const { holder } = await taken(own);
    const open = await eventually(
      () => hostedSession(own, id),
      ({ status }) => status === "idle",
    );
    assert.deepEqual(open.waiting_for?.event_ids, [callId]);
    const result = { type: "user.tool_result" as const, tool_use_id: callId };
    await holder.beta.sessions.events.send(id, { events: [result] });
  });

  test("that runs out gives a call a result that its worker may have begun, and no other worker gets it", async () => {
    const own = await selfHosted(api);
    const { id, callId, stream } = await calledBash(own);
    const first = await taken(own, { worker_id: "w1", ttl_seconds: 1 });
    await first.holder.beta.sessions.events.list(id);
    const events = await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    const [result] = events.filter(isOf("user.tool_result"));
    assert.equal(result?.tool_use_id, callId);
    assert.equal(result?.is_error, true);
    const { worker, recovery } = result as unknown as {
      worker: object;
      recovery: { type: string; reason: string };
    };
    assert.deepEqual(worker, { work_id: first.work.id, worker_id: "w1" });
    assert.equal(recovery.type, "outcome_unknown");
    assert.match(recovery.reason, /^the worker w1 was not heard of for too long; it was last heard of at 2/);
    assert.match(saidIn(events), /outcome of this call is unknown: the worker w1/);
    assert.deepEqual(
      (await listed(own.client, id)).filter(({ type }) => type === "user.tool_result"),
      [result],
    );
    const late = { type: "user.tool_result" as const, tool_use_id: callId };
    await assert.rejects(own.worker.beta.sessions.events.send(id, { events: [late] }), BadRequestError);
    assert.equal((await taken(own)).work.id, first.work.id);
  });
});

describe("stopping", () => {
  const stopOf = (own: Awaited<ReturnType<typeof selfHosted>>, id: string, client = own.client) => {
    const environment_id = own.environmentId;
    return (force?: boolean) =>
      client.beta.environments.work.stop(id, { environment_id, ...(force === undefined ? {} : { force }) });
  };

  test("lets a worker finish: it hears of it with its next heartbeat", async () => {
    const own = await selfHosted(api);
    await newHostedSession(own);
    const { work, holder } = await taken(own);
    const stop = stopOf(own, work.id);
    const asked = await stop();
    assert.equal(asked.state, "stopping");
    assert.ok(asked.stop_requested_at);
    const path = `/v1/environments/${own.environmentId}/work/${work.id}/stop`;
    const withoutBody = await own.client.post<typeof asked>(path, { headers: { "anthropic-beta": beta } });
    assert.equal(withoutBody.state, "stopping");
    const beat = await holder.beta.environments.work.heartbeat(work.id, {
      environment_id: own.environmentId,
      expected_last_heartbeat: "not compared any more",
    });
    assert.deepEqual([beat.state, beat.lease_extended], ["stopping", true]);
    const stopped = await stopOf(own, work.id, holder)(true);
    assert.equal(stopped.state, "stopped");
    assert.ok(stopped.stopped_at);
    await assert.rejects(stop(), isConflict);
    await assert.rejects(stop(true), isConflict);
    await none(own);
  });

  test("by force is at once, and so is that of an item in the queue", async () => {
    const own = await selfHosted(api);
    const { work } = await newHostedSession(own);
    assert.equal((await stopOf(own, work?.id ?? "")()).state, "stopped");
    await none(own);
    const { id } = await newHostedSession(own);
    const held = await taken(own);
    assert.equal(held.work.data.id, id);
    assert.equal((await stopOf(own, held.work.id)(true)).state, "stopped");
    const beat = await held.holder.beta.environments.work.heartbeat(held.work.id, {
      environment_id: own.environmentId,
    });
    assert.deepEqual([beat.state, beat.lease_extended], ["stopped", false]);
    await assert.rejects(held.holder.beta.sessions.events.list(id), APIError);
  });

  test("by a worker that has not seen the call makes a new item for it", async () => {
    const own = await selfHosted(api);
    const { id } = await calledBash(own);
    const { work, holder } = await taken(own);
    await stopOf(own, work.id, holder)(true);
    const next = await polled(own);
    assert.notEqual(next.id, work.id);
    assert.equal(next.data.id, id);
    assert.equal((await hostedSession(own, id)).work?.id, next.id);
  });

  test("by a worker that may have begun the call gives it a result", async () => {
    const own = await selfHosted(api);
    const { id, stream } = await calledBash(own);
    const { work, holder } = await taken(own, { worker_id: "w1" });
    await holder.beta.sessions.events.list(id);
    await stopOf(own, work.id, holder)(true);
    const events = await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    assert.match(saidIn(events), /outcome of this call is unknown: the worker w1 has stopped its work/);
    await none(own);
  });

  test("by an operator makes no new item, before an interrupt", async () => {
    const own = await selfHosted(api);
    const { id, stream } = await calledBash(own);
    const { work } = await taken(own);
    await stopOf(own, work.id)(true);
    await none(own);
    await send(own.client, id, { type: "user.interrupt" });
    const next = await polled(own);
    assert.equal(next.data.id, id);
    const events = await stream.until((event) => isIdle(event) && event.stop_reason.type === "end_turn");
    const [result] = events.filter(isOf("user.tool_result"));
    assert.match(JSON.stringify(result), /interrupted before completion/);
  });

  test("comes with the archiving and the deletion of the session, for good", async () => {
    const own = await selfHosted(api);
    for (const end of ["archive", "delete"] as const) {
      const { id } = await newHostedSession(own);
      const { work } = await taken(own, { ttl_seconds: 1 });
      await own.client.beta.sessions[end](id);
      const { state } = await own.client.beta.environments.work.retrieve(work.id, {
        environment_id: own.environmentId,
      });
      assert.equal(state, "stopped");
      await none(own);
    }
  });
});

test("a message to a session whose item has ended makes another one", async () => {
  const own = await selfHosted(api);
  const { work } = await newHostedSession(own);
  await own.client.beta.environments.work.stop(work?.id ?? "", { environment_id: own.environmentId });
  const { id } = await calledBash(own);
  await polled(own);
  assert.equal((await own.client.beta.environments.work.stats(own.environmentId)).depth, 0);
  assert.ok(id);
});

test("a session takes no files", async () => {
  const own = await selfHosted(api);
  const create = own.client.beta.sessions.create({
    agent: own.agentId,
    environment_id: own.environmentId,
    resources: [{ type: "file", file_id: "file_01AAAAAAAAAAAAAAAAAAAAAA" }],
  });
  const says = `Environment ${own.environmentId} is a self-hosted environment. \`resources\` are not supported with self-hosted environments.`;
  await assert.rejects(create, (error) => error instanceof BadRequestError && error.message.includes(says));
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import {
  BetaHeartbeatPreconditionFailedError,
  type BetaSelfHostedWork,
} from "@anthropic-ai/sdk/resources/beta/environments/work";
import { saidIn } from "../../harness/session.ts";
import type { Context } from "../context.ts";
import { bash, echoes, next } from "../script.ts";
import { type Group, item } from "../suite.ts";

/** A self-hosted environment, and a client with a key for it. How keys are made is each server's own affair: this is Drover's. */
async function hosted({ url, client, environment, session, wait_ms }: Context) {
  const { id } = await environment({ config: { type: "self_hosted" } });
  const { key } = await client.post<{ key: string }>(`/v1/environments/${id}/keys`, { body: {} });
  const as = (authToken: string) => new Anthropic({ baseURL: url, apiKey: null, authToken, maxRetries: 0 });
  const worker = as(key);
  const place = { environment_id: id };
  const poll = (reclaim_older_than_ms?: number) =>
    worker.beta.environments.work.poll(id, {
      block_ms: 999,
      ...(reclaim_older_than_ms !== undefined && { reclaim_older_than_ms }),
    });
  const holding = async (): Promise<BetaSelfHostedWork> => {
    for (const until = Date.now() + wait_ms; Date.now() < until; ) {
      const work = await poll();
      if (work) return work;
    }
    throw new Error("no work was offered");
  };
  /** Polled, acknowledged, and beaten for once. */
  const taken = async (ttl_seconds?: number) => {
    const work = await holding();
    await worker.beta.environments.work.ack(work.id, place);
    const { sessions_token } = JSON.parse(Buffer.from(work.secret ?? "", "base64url").toString());
    const holder = as(sessions_token);
    const beat = (expected_last_heartbeat: string, more: object = {}) =>
      holder.beta.environments.work.heartbeat(work.id, { ...place, expected_last_heartbeat, ...more });
    const first = await beat(
      "NO_HEARTBEAT",
      ttl_seconds === undefined ? {} : { desired_ttl_seconds: ttl_seconds },
    );
    return { work, holder, beat, last: first.last_heartbeat };
  };
  return { id, key, worker, place, poll, holding, taken, newSession: () => session({ environment_id: id }) };
}

const status = (promise: Promise<unknown>): Promise<number | undefined> =>
  promise.then(
    () => 200,
    (error: unknown) => (error instanceof Anthropic.APIError ? error.status : undefined),
  );

export const worker: Group = {
  title: "Self-hosted worker",
  items: [
    item(
      87,
      "The SDK's worker serves a session from end to end",
      async (context) => {
        const { id, key, newSession } = await hosted(context);
        const workdir = mkdtempSync(join(tmpdir(), "conformance-worker-"));
        const stop = new AbortController();
        const serving = context.client.beta.environments.work
          .worker({ environmentId: id, environmentKey: key, workdir, maxIdleMs: 500 })
          .run(stop.signal)
          .catch(() => {});
        try {
          const session = await newSession();
          const following = await context.follow(session.id);
          const script = [bash("echo made > here; cat here"), next, echoes].join("\n");
          await context.send(session.id, {
            type: "user.message",
            content: [{ type: "text", text: script }],
          });
          const events = await following.until("agent.message");
          assert.match(saidIn(events), /made/);
          assert.ok(events.some(({ type }) => type === "user.tool_result"));
          await following.until("session.status_idle", 2);
        } finally {
          stop.abort();
          await serving;
          rmSync(workdir, { recursive: true, force: true });
        }
      },
      { except: "the `ant` command line's worker" },
    ),
    item(88, "Polling blocks under a second; what nobody acknowledges is offered again", async (context) => {
      const { id, worker, place, poll, holding, newSession } = await hosted(context);
      assert.equal(await poll(), null);
      for (const block_ms of [0, 1_000])
        assert.equal(await status(worker.beta.environments.work.poll(id, { block_ms })), 400);
      const session = await newSession();
      const work = await holding();
      assert.deepEqual(work.data, { type: "session", id: session.id });
      assert.equal(await poll(), null);
      assert.equal((await poll(1))?.id, work.id);
      await worker.beta.environments.work.ack(work.id, place);
      assert.equal(await poll(1), null);
    }),
    item(89, "Heartbeats chain; a lapsed lease is offered again, and no tool runs twice", async (context) => {
      const { taken, newSession } = await hosted(context);
      const session = await newSession();
      const following = await context.follow(session.id);
      await context.send(session.id, {
        type: "user.message",
        content: [{ type: "text", text: [bash("true"), next, echoes].join("\n") }],
      });
      await following.until("session.status_idle");
      const first = await taken(1);
      const again = await first.beat(first.last, { desired_ttl_seconds: 1 });
      assert.equal(again.lease_extended, true);
      await assert.rejects(first.beat(first.last), (error) => {
        assert.ok(error instanceof BetaHeartbeatPreconditionFailedError);
        assert.equal(error.details.current_state.last_heartbeat, again.last_heartbeat);
        return true;
      });
      // It has read the call, and may have begun it.
      await first.holder.beta.sessions.events.list(session.id);
      const second = await taken();
      assert.equal(second.work.id, first.work.id);
      const events = await context.list(session.id);
      const calls = events.flatMap((event) => (event.type === "agent.tool_use" ? [event.id] : []));
      const settled = events.flatMap((event) =>
        event.type === "user.tool_result" ? [event.tool_use_id] : [],
      );
      assert.deepEqual(settled, calls);
    }),
    item(90, "Stopping gracefully and by force", async (context) => {
      const { id, place, taken, holding, newSession } = await hosted(context);
      const work = context.client.beta.environments.work;
      await newSession();
      const { work: first, beat, last } = await taken();
      assert.equal((await work.stop(first.id, place)).state, "stopping");
      assert.equal((await beat(last)).state, "stopping");
      assert.equal((await work.stop(first.id, { ...place, force: true })).state, "stopped");
      assert.equal(await status(work.stop(first.id, place)), 409);
      const { id: waiting } = await newSession();
      assert.equal((await work.stats(id)).depth, 1);
      const polled = await holding();
      assert.equal(polled.data.id, waiting);
      const { depth, pending, oldest_queued_at } = await work.stats(id);
      assert.deepEqual([depth, pending, oldest_queued_at], [0, 1, polled.created_at]);
    }),
    item(91, "Each kind of credential reaches what it may, and no more", async (context) => {
      const { client } = context;
      const { id, worker, place, poll, taken, newSession } = await hosted(context);
      const session = await newSession();
      const { work, holder, beat, last } = await taken();
      const of = (asked: Anthropic) => asked.beta.environments.work;
      const refused = async (promise: Promise<unknown>) => {
        const answer = await status(promise);
        assert.ok(answer === 401 || answer === 403 || answer === 404, `answered ${answer}`);
      };
      for (const other of [client, holder]) {
        await refused(of(other).poll(id));
        await refused(of(other).list(id));
        await refused(of(other).ack(work.id, place));
      }
      for (const other of [worker, holder]) {
        await refused(of(other).retrieve(work.id, place));
        await refused(of(other).update(work.id, { ...place, metadata: {} }));
        await refused(other.beta.agents.list());
        await refused(other.beta.sessions.create({ agent: session.agent.id, environment_id: id }));
        assert.equal((await other.beta.sessions.retrieve(session.id)).id, session.id);
        await other.beta.sessions.events.list(session.id);
      }
      await refused(of(client).heartbeat(work.id, place));
      await refused(of(holder).stats(id));
      await beat(last);
      await of(worker).stats(id);
      assert.equal((await of(client).retrieve(work.id, place)).secret, null);
      assert.ok((await of(worker).list(id)).data.every(({ secret }) => secret === null));
      await client.beta.sessions.archive(session.id);
      assert.equal(await poll(1), null);
    }),
    item(92, "Such a session takes no files or repositories, and waits for a worker", async (context) => {
      const { id, holding, newSession } = await hosted(context);
      const says = /is a self-hosted environment. `resources` are not supported/;
      for (const resource of [
        { type: "file", file_id: "file_01AAAAAAAAAAAAAAAAAAAAAA" },
        { type: "github_repository", url: "https://github.com/a/b" },
      ]) {
        const body = await context.sessionBody({ environment_id: id, resources: [resource] });
        await context.refused(400, "POST", "/v1/sessions", { body, says });
      }
      const { id: waiting } = await newSession();
      await context.turn(waiting, bash("true"));
      await pause(500);
      const { status: now } = await context.client.beta.sessions.retrieve(waiting);
      assert.equal(now, "idle");
      assert.equal((await holding()).data.id, waiting);
    }),
    item(93, "An interrupt after a failed item queues it again", async (context) => {
      const { place, taken, holding, newSession } = await hosted(context);
      const { id } = await newSession();
      await context.turn(id, bash("true"));
      const { work } = await taken();
      await context.client.beta.environments.work.stop(work.id, { ...place, force: true });
      await context.send(id, { type: "user.interrupt" });
      assert.equal((await holding()).data.id, id);
    }),
  ],
};

import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { limits } from "../src/limits.ts";
import { endUnusedWork, sweepWork } from "../src/resources/work/tend.ts";
import {
  calledBash,
  eventually,
  hostedSession,
  newHostedSession,
  polled,
  type SelfHosted,
  selfHosted,
  taken,
} from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { isIdle } from "./harness/session.ts";

const api = await startTestServer();
after(() => api.close());
afterEach(() => moveClock(0));

let moves = 0;

/** The one clock of the database, away from the true time. */
async function moveClock(by_ms: number): Promise<void> {
  moves += 1;
  await api.db.query(
    {
      name: `clock_${moves}`,
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select clock_timestamp() + interval '${by_ms} milliseconds' $$`,
    },
    [],
  );
}

const shown = (own: SelfHosted, id: string) =>
  own.client.beta.environments.work.retrieve(id, { environment_id: own.environmentId });

test("a worker that is silent after it was asked to stop has stopped, and what it left open is offered again", async () => {
  const own = await selfHosted(api);
  const { id, stream } = await calledBash(own);
  await stream.until(isIdle);
  const { work, holder } = await taken(own);
  const environment_id = own.environmentId;
  await holder.beta.environments.work.stop(work.id, { environment_id });
  await moveClock(limits.work_stopping_ms - 10_000);
  await new Promise((resolve) => setTimeout(resolve, limits.work_tend_ms * 1.5));
  assert.equal((await shown(own, work.id)).state, "stopping");
  await moveClock(limits.work_stopping_ms + 10_000);
  await eventually(
    () => shown(own, work.id),
    ({ state }) => state === "stopped",
  );
  const next = await polled(own);
  assert.notEqual(next.id, work.id);
  assert.equal(next.data.id, id);
});

test("a lease that was given by a clock that was ahead runs out all the same", async () => {
  const own = await selfHosted(api);
  await newHostedSession(own);
  await moveClock(24 * 3_600_000);
  const { work } = await taken(own);
  await moveClock(0);
  assert.equal((await polled(own)).id, work.id);
});

test("a worker that serves a session in which nobody speaks is asked to leave it", async () => {
  const own = await selfHosted(api);
  const { id } = await newHostedSession(own);
  const silent = await taken(own);
  const spoken = await calledBash(own);
  await spoken.stream.until(isIdle);
  const busy = await taken(own, { ttl_seconds: 600 });
  await endUnusedWork(api.db);
  assert.equal((await shown(own, silent.work.id)).state, "active");
  const environment_id = own.environmentId;
  const beat = (expected_last_heartbeat: string) =>
    silent.holder.beta.environments.work.heartbeat(silent.work.id, {
      environment_id,
      expected_last_heartbeat,
      desired_ttl_seconds: 600,
    });
  const { last_heartbeat } = await beat(silent.last_heartbeat);
  await moveClock(limits.work_unused_ms + 10_000);
  await endUnusedWork(api.db);
  assert.equal((await beat(last_heartbeat)).state, "stopping");
  assert.equal((await shown(own, busy.work.id)).state, "active");
  await silent.holder.beta.environments.work.stop(silent.work.id, { environment_id, force: true });
  assert.equal((await hostedSession(own, id)).work?.state, "stopped");
});

test("items are forgotten that have stopped long ago, but for a session's newest", async () => {
  const own = await selfHosted(api);
  const environment_id = own.environmentId;
  const stop = (id: string) => own.client.beta.environments.work.stop(id, { environment_id, force: true });
  const { stream } = await calledBash(own);
  await stream.until(isIdle);
  const { work: old, holder } = await taken(own);
  await holder.beta.environments.work.stop(old.id, { environment_id, force: true });
  const newest = await polled(own);
  await stop(newest.id);
  await sweepWork(api.db);
  await shown(own, old.id);
  await moveClock(limits.work_kept_ms + 60_000);
  await sweepWork(api.db);
  await assert.rejects(shown(own, old.id), /not found/);
  assert.equal((await shown(own, newest.id)).state, "stopped");
  assert.equal((await own.client.beta.environments.work.stats(environment_id)).workers_polling, 0);
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { APIError } from "@anthropic-ai/sdk";
import { tendWork } from "../src/resources/work/tend.ts";
import { sdkWorker } from "./harness/sdk-workers.ts";
import { newHostedSession, selfHosted, tokenOf } from "./harness/self-hosted.ts";
import { startTestServer } from "./harness/server.ts";
import { isIdle, listed, message, send } from "./harness/session.ts";

const api = await startTestServer({ work_lease_ms: 2_000 });
const folder = mkdtempSync(join(tmpdir(), "drover-races-"));
after(async () => {
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The one clock of the database, ahead of the true time. */
async function moveClock(minutes: number): Promise<void> {
  await api.db.query(
    {
      name: `clock_${minutes}`,
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select clock_timestamp() + interval '${minutes} minutes' $$`,
    },
    [],
  );
}

/** Refusals are what a race may come to; anything else is not. */
async function tried(asked: Promise<unknown>): Promise<void> {
  await asked.catch((error: unknown) => {
    if (!(error instanceof APIError) || (error.status ?? 500) >= 500) throw error;
  });
}

test("whatever many do to the work of some sessions at once, each has one item at most, and ends", {
  timeout: 120_000,
}, async () => {
  const own = await selfHosted(api);
  const environment_id = own.environmentId;
  const sessions = await Promise.all(Array.from({ length: 4 }, () => newHostedSession(own)));
  const ids = sessions.map(({ id }) => id);
  const held = new Map<string, Anthropic>();
  const any = <Item>(items: Iterable<Item>): Item | undefined => {
    const all = [...items];
    return all[Math.floor(Math.random() * all.length)];
  };
  const acts: (() => Promise<unknown>)[] = [
    () => send(own.client, any(ids) ?? "", message("bash true\nthen\nsay over")),
    () => send(own.client, any(ids) ?? "", { type: "user.interrupt" }),
    async () => {
      const work = await own.worker.beta.environments.work.poll(environment_id, {
        reclaim_older_than_ms: 50,
      });
      if (work) held.set(work.id, own.as(tokenOf(work)));
    },
    () => own.worker.beta.environments.work.ack(any(held.keys()) ?? "work_x", { environment_id }),
    () => {
      const [id, holder] = any(held) ?? ["work_x", own.worker];
      return holder.beta.environments.work.heartbeat(id, { environment_id, desired_ttl_seconds: 1 });
    },
    () => (any(held.values()) ?? own.worker).beta.sessions.events.list(any(ids) ?? ""),
    () =>
      own.worker.beta.environments.work.stop(any(held.keys()) ?? "work_x", {
        environment_id,
        force: Math.random() < 0.5,
      }),
    () => tendWork(api.db),
  ];
  const actor = async () => {
    for (let n = 0; n < 60; n += 1) await tried((any(acts) ?? acts[0])?.() ?? Promise.resolve());
  };
  await Promise.all(Array.from({ length: 8 }, actor));

  const [wrong] = await api.db.query<{ sessions: number; events: number }>(
    {
      name: "wrong_work",
      text: `select (select count(*) from session_head h where h.work_live is distinct from exists (
          select from work_item w where w.session_id = h.session_id and w.state <> 'stopped' and w.id = h.work_id)) as sessions,
        (select count(*) from session_head h where h.seq <> (select count(*) from event e where e.session_id = h.session_id)) as events`,
    },
    [],
  );
  assert.deepEqual(wrong, { sessions: 0, events: 0 });

  // What workers have lost rests before it is offered again, and what many of them took in vain is given up, which waits for
  // a word. By a clock that is ahead all of that is over, twice: what is lost by the first rests once more.
  for (const minutes of [5, 10]) {
    await moveClock(minutes);
    await tendWork(api.db);
  }
  for (const id of ids) await send(own.client, id, message("say the end"));
  const worker = sdkWorker(
    { client: own.client, environmentId: environment_id, environmentKey: own.key },
    { workdir: folder },
  );
  for (const id of ids) {
    for (;;) {
      const events = await listed(own.client, id);
      const last = events.at(-1);
      if (last && isIdle(last) && last.stop_reason.type === "end_turn") {
        const calls = events.flatMap((event) => (event.type === "agent.tool_use" ? [event.id] : []));
        const results = events.flatMap((event) =>
          event.type === "user.tool_result" ? [event.tool_use_id] : [],
        );
        assert.deepEqual(results.toSorted(), calls.toSorted(), "a call has no result, or two");
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await worker.stop();
});

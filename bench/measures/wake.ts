import { primaryThreadOf } from "../../src/log/thread-id.ts";
import type { Client } from "../client.ts";
import type { Figure } from "../figure.ts";
import { recordingModels } from "../recording.ts";
import type { Rig } from "../rig.ts";
import { median } from "../stats.ts";
import { turn } from "./turn.ts";

const samples = 7;

/** A session that this process has never driven gets a message: until its request leaves. */
export async function wake(rig: Rig): Promise<Figure[]> {
  const models = recordingModels();
  const player = await rig.inProcess();
  const long = await play(rig, player.client, 10_000);
  const sessions = new Map<number, string[]>();
  for (const length of [10, 1_000, 10_000]) {
    const copies: string[] = [];
    for (let i = 0; i < samples; i += 1) {
      const session = await rig.newSession(player.client);
      await copyLog(rig, long, session, length);
      copies.push(session);
    }
    sessions.set(length, copies);
  }
  await player.close();

  const server = await rig.inProcess(models);
  const ask = async (session: string) => {
    const asked = models.nextRequest();
    const stream = await server.client.stream(session);
    const start = performance.now();
    await turn(server.client, stream, session, "say hi");
    stream.close();
    return (await asked) - start;
  };
  const again = await rig.newSession(server.client);
  for (let i = 0; i < 50; i += 1) await ask(again);
  const took = new Map<number, number>();
  const warm = new Map<number, number>();
  for (const [length, copies] of sessions) {
    const cold: number[] = [];
    for (const session of copies) cold.push(await ask(session));
    took.set(length, median(cold));
    const second: number[] = [];
    for (const session of copies) second.push(await ask(session));
    warm.set(length, median(second));
  }
  await server.close();
  const figure = (length: number, at_most?: number): Figure => ({
    area: "wake",
    what: `first message after ${length.toLocaleString("en")} events until the request leaves, p50`,
    unit: "ms",
    value: took.get(length) ?? Number.NaN,
    ...(at_most && { bar: { at_most } }),
  });
  const next = (length: number): Figure => ({
    area: "wake",
    what: `second message after ${length.toLocaleString("en")} events, p50`,
    unit: "ms",
    value: warm.get(length) ?? Number.NaN,
  });
  return [figure(10), figure(1_000, 30), figure(10_000, 60), next(10), next(10_000)];
}

/** A log that real turns have written. */
async function play(rig: Rig, client: Client, length: number): Promise<string> {
  const session = await rig.newSession(client);
  const stream = await client.stream(session);
  for (;;) {
    await turn(client, stream, session, "say hi");
    const [head] = await rig.db.query<{ seq: number }>(
      { name: "bench_seq", text: "select seq from session_head where session_id = $1" },
      [session],
    );
    if ((head?.seq ?? 0) >= length) break;
  }
  stream.close();
  return session;
}

/** The first turns of a log, up to about `length` entries, as the log of a new session. */
async function copyLog(rig: Rig, from: string, to: string, length: number): Promise<void> {
  await rig.db.query(
    {
      name: "bench_copy",
      text: `
with last as (
  select max(seq) as seq, max(created_at) as at from event
  where session_id = $1 and type = 'session.status_idle' and seq <= $3 + 10
), copied as (
  insert into event (workspace_id, session_id, seq, id, thread_id, audience, type, of_seq, body, created_at)
  select e.workspace_id, $2, e.seq, e.id, $4, e.audience, e.type, e.of_seq,
    replace(e.body::text, $5, $4)::json, e.created_at
  from event e, last where e.session_id = $1 and e.seq <= last.seq
)
update session_head set seq = last.seq, last_at = last.at, seen = true from last where session_id = $2`,
    },
    [from, to, length, primaryThreadOf(to), primaryThreadOf(from)],
  );
}

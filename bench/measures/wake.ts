import { primaryThreadOf } from "../../src/log/thread-id.ts";
import type { Client } from "../client.ts";
import type { Figure } from "../figure.ts";
import { type RecordingModels, recordingModels } from "../recording.ts";
import type { Rig } from "../rig.ts";
import { median, timed } from "../stats.ts";
import { toolTurn, turn } from "./turn.ts";

const samples = 7;
const lengths = [10, 100, 1_000, 10_000, 50_000];

/**
 * A session that this process has never driven gets a message: until its request leaves. Then the same again, and steps of
 * tool use, which are to cost the same however much went before.
 */
export async function wake(rig: Rig): Promise<Figure[]> {
  const models = recordingModels();
  const player = await rig.inProcess();
  const long = await play(rig, player.client, Math.max(...lengths));
  const sessions = new Map<number, string[]>();
  for (const length of lengths) {
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
  const steps = new Map<number, number>();
  for (const [length, copies] of sessions) {
    const cold: number[] = [];
    for (const session of copies) cold.push(await ask(session));
    took.set(length, median(cold));
    const second: number[] = [];
    for (const session of copies) second.push(await ask(session));
    warm.set(length, median(second));
    if (!rig.noSandbox) steps.set(length, median(await stepsOf(server.client, models, copies[0] ?? "")));
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
  const step = (length: number, value: number): Figure => ({
    area: "wake",
    what: `one step of tool use after ${length.toLocaleString("en")} events, p50`,
    unit: "ms",
    value,
  });
  const bars: Record<number, number> = { 1000: 30, 10000: 60 };
  return [
    ...lengths.map((length) => figure(length, bars[length])),
    ...lengths.map(next),
    ...[...steps].map(([length, value]) => step(length, value)),
  ];
}

/** From the end of the answer with the call until the next request leaves, in a warm sandbox; `ms`. */
async function stepsOf(client: Client, models: RecordingModels, session: string): Promise<number[]> {
  const stream = await client.stream(session);
  const took = await timed(15, async () => {
    const answered = models.nextAnswer();
    const asked = answered.then(models.nextRequest);
    await turn(client, stream, session, toolTurn);
    return (await asked) - (await answered);
  });
  stream.close();
  return took;
}

/** A log that real turns have written. */
export async function play(rig: Rig, client: Client, length: number): Promise<string> {
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
export async function copyLog(rig: Rig, from: string, to: string, length: number): Promise<void> {
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
update session_head set seq = last.seq, last_at = last.at, seen = true, fold_from = coalesce((
  select max(e.seq) - 1 from event e where e.session_id = $1 and e.type = 'checkpoint' and e.seq <= last.seq), 0)
from last where session_id = $2`,
    },
    [from, to, length, primaryThreadOf(to), primaryThreadOf(from)],
  );
}

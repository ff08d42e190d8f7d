import { setTimeout as pause } from "node:timers/promises";
import { limits } from "../../src/limits.ts";
import { startFakeAnthropic, textReply } from "../../test/fakes/anthropic.ts";
import type { Figure } from "../figure.ts";
import type { Rig, ServeProcess } from "../rig.ts";

const turns = 200;
const model = "claude-opus-5-5";
/** After its lease, or once it serves, a brain has so long to settle all of them. */
const target_ms = 2_000;
/** A brain that is told to stop has given all of them back in so long. */
const handed_over_ms = 1_000;

/** A brain goes with 200 turns in flight, each in the middle of a model request: until the last of them has settled. */
export async function recovery(rig: Rig): Promise<Figure[]> {
  const restarted = await settledAfter(rig, async (doomed, serve) => {
    await doomed.kill();
    const killed = performance.now();
    const heir = await serve();
    return { heir, since: killed, ready: performance.now() };
  });
  const beside = await settledAfter(rig, async (doomed, serve) => {
    const heir = await serve();
    await doomed.kill();
    const killed = performance.now();
    return { heir, since: killed, ready: killed };
  });
  const vanished = await settledAfter(rig, async (doomed, serve) => {
    const heir = await serve();
    // As after the loss of a machine: nobody hears that its connections are gone.
    doomed.freeze();
    const frozen = performance.now();
    return { heir, since: frozen, ready: frozen };
  });
  const stopped = await settledAfter(rig, async (doomed, serve) => {
    const heir = await serve();
    const told = performance.now();
    const left = doomed.close().then(() => performance.now());
    return { heir, since: told, ready: told, left };
  });
  const what = `${turns} turns in flight`;
  return [
    figure(
      `${what}, killed and started anew: from ready until the last has settled`,
      restarted.afterReady,
      target_ms,
    ),
    figure(`${what}, killed and started anew: from the kill, the start included`, restarted.after),
    figure(`${what}, killed beside another process: from the kill`, beside.after, target_ms),
    figure(
      `${what}, told to stop beside another process: until it has given back all of them and ended`,
      stopped.left,
      handed_over_ms,
    ),
    figure(`${what}, told to stop beside another process: from the signal`, stopped.after, target_ms),
    figure(
      `${what}, vanished without a word: from then on`,
      vanished.after,
      limits.process_dead_ms + target_ms,
    ),
  ];
}

const figure = (what: string, value: number, at_most?: number): Figure => ({
  area: "recovery",
  what,
  unit: "ms",
  value,
  ...(at_most !== undefined && { bar: { at_most } }),
});

interface Replaced {
  heir: ServeProcess;
  since: number;
  ready: number;
  /** When a process that was told to stop has ended. */
  left?: Promise<number>;
}

async function settledAfter(
  rig: Rig,
  replace: (doomed: ServeProcess, serve: () => Promise<ServeProcess>) => Promise<Replaced>,
): Promise<{ after: number; afterReady: number; left: number }> {
  let well = false;
  const upstream = await startFakeAnthropic(() => (well ? textReply("Done.") : { chunks: [], end: "hang" }));
  const serve = () =>
    rig.serve({ DROVER_ANTHROPIC_API_KEY: "key-of-the-bench", DROVER_ANTHROPIC_BASE_URL: upstream.url });
  const doomed = await serve();
  const sessions: string[] = [];
  while (sessions.length < turns) sessions.push(await rig.newSession(doomed.client, model));
  for (const session of sessions) await doomed.client.say(session, "go on");
  await upstream.request(turns - 1);
  well = true;
  const { heir, since, ready, left } = await replace(doomed, serve);
  while ((await unsettled(rig, sessions)) > 0) await pause(5);
  const settled = performance.now();
  const ended = (await left) ?? since;
  await doomed.kill();
  await heir.close();
  await upstream.close();
  return { after: settled - since, afterReady: settled - ready, left: ended - since };
}

async function unsettled(rig: Rig, sessions: string[]): Promise<number> {
  const text =
    "select count(*)::int as count from session_head where session_id = any($1) and status <> 'idle'";
  const [row] = await rig.db.query<{ count: number }>({ name: "bench_unsettled", text }, [sessions]);
  return row?.count ?? 0;
}

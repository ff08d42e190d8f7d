import type { Client } from "../client.ts";
import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";
import { percentile, rate, timed } from "../stats.ts";
import { rss } from "./idle.ts";

/** A session whose model never answers: what is sent to it only queues. */
async function busySession(rig: Rig, client: Client): Promise<string> {
  const session = await rig.newSession(client);
  const stream = await client.stream(session);
  const asked = stream.next("span.model_request_start");
  await client.say(session, "hang");
  await asked;
  stream.close();
  return session;
}

export async function appends(rig: Rig): Promise<Figure[]> {
  const server = await rig.serve();
  const { client } = server;
  const sessions: string[] = [];
  for (let i = 0; i < 33; i += 1) sessions.push(await busySession(rig, client));
  const say = (i: number) => client.say(sessions[i] ?? "", "x");
  const took = await timed(300, async () => {
    const start = performance.now();
    await say(32);
    return performance.now() - start;
  });
  const perSecond = await rate(32, 4_000, say);
  await server.close();
  const what = "durable append over HTTP";
  return [
    {
      area: "append",
      what: `${what}, 1 writer, p50`,
      unit: "ms",
      value: percentile(took, 0.5),
      bar: { at_most: 2 },
    },
    {
      area: "append",
      what: `${what}, 32 writers`,
      unit: "per s",
      value: perSecond,
      bar: { at_least: 3_000 },
    },
  ];
}

/** From the POST until the event is at the client. */
export async function streams(rig: Rig): Promise<Figure[]> {
  const writer = await rig.serve();
  const other = await rig.serve();
  const arrival = async (reader: Client) => {
    const session = await busySession(rig, writer.client);
    const stream = await reader.stream(session);
    const took = await timed(200, async () => {
      const seen = stream.next("user.message");
      const start = performance.now();
      const sent = writer.client.say(session, "x");
      await seen;
      const ms = performance.now() - start;
      await sent;
      return ms;
    });
    stream.close();
    return percentile(took, 0.5);
  };
  const same = await arrival(writer.client);
  const across = await arrival(other.client);
  await Promise.all([writer.close(), other.close()]);
  return [
    {
      area: "stream",
      what: "POST until the client sees it, same process, p50",
      unit: "ms",
      value: same,
      bar: { at_most: 3 },
    },
    {
      area: "stream",
      what: "POST until the client sees it, two processes, p50",
      unit: "ms",
      value: across,
      bar: { at_most: 8 },
    },
  ];
}

const watched = 100;
const readersPerSession = 10;
const events = 1_500;
const gap_ms = 2;

/**
 * 1,000 readers of 100 sessions: 500 events a second come in and 5,000 go out. What they cost is what the server has
 * grown by since it carried the same load without them.
 */
export async function readers(rig: Rig): Promise<Figure[]> {
  const server = await rig.serve();
  const { client } = server;
  const sessions: string[] = [];
  for (let i = 0; i < watched; i += 1) sessions.push(await busySession(rig, client));
  const sentAt = new Map<string, number>();

  async function load(): Promise<void> {
    const start = performance.now();
    const sent: Promise<void>[] = [];
    for (let i = 0; i < events; i += 1) {
      const due = start + i * gap_ms - performance.now();
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      const session = sessions[i % sessions.length] ?? "";
      sentAt.set(session, performance.now());
      sent.push(client.say(session, "x"));
    }
    await Promise.all(sent);
  }

  await load();
  const before = rss(server.pid);
  const took: number[] = [];
  const all = Promise.withResolvers<void>();
  const streams = await Promise.all(
    sessions.flatMap((session) =>
      Array.from({ length: readersPerSession }, async () => {
        const stream = await client.stream(session);
        stream.onEvent((type) => {
          if (type !== "user.message") return;
          took.push(performance.now() - (sentAt.get(session) ?? 0));
          if (took.length === events * readersPerSession) all.resolve();
        });
        return stream;
      }),
    ),
  );
  await Promise.all([load(), all.promise]);
  const grown = rss(server.pid) - before;
  for (const stream of streams) stream.close();
  await server.close();
  const what = "POST until seen, 1,000 readers, 500 events/s";
  const about = { area: "stream", unit: "ms" } as const;
  return [
    { ...about, what: `${what}, p50`, value: percentile(took, 0.5) },
    { ...about, what: `${what}, p99`, value: percentile(took, 0.99), bar: { at_most: 25 } },
    {
      area: "stream",
      what: "memory per reader, 1,000 readers",
      unit: "KiB",
      value: (grown * 1024) / streams.length,
      bar: { at_most: 32 },
    },
  ];
}

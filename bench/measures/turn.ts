import type { Client, Stream } from "../client.ts";
import type { Figure } from "../figure.ts";
import { recordingModels } from "../recording.ts";
import type { Rig } from "../rig.ts";
import { percentile, rate, timed } from "../stats.ts";

export const toolTurn = "bash true\nthen\nsay done";

/** From the POST until the client has seen the session idle; `ms`. */
export async function turn(client: Client, stream: Stream, session: string, text: string): Promise<number> {
  const start = performance.now();
  const idle = stream.next("session.status_idle");
  await client.say(session, text);
  await idle;
  return performance.now() - start;
}

/** In this process: the time at which the request leaves is seen by the model itself. */
export async function requestLeaves(rig: Rig): Promise<Figure[]> {
  const models = recordingModels();
  const server = await rig.inProcess(models);
  const session = await rig.newSession(server.client);
  const stream = await server.client.stream(session);
  const took = await timed(300, async () => {
    const asked = models.nextRequest();
    const start = performance.now();
    await turn(server.client, stream, session, "say hi");
    return (await asked) - start;
  });
  stream.close();
  await server.close();
  const about = { area: "turn", unit: "ms" } as const;
  const what = "POST until the upstream request leaves";
  return [
    { ...about, what: `${what}, p50`, value: percentile(took, 0.5), bar: { at_most: 4 } },
    { ...about, what: `${what}, p99`, value: percentile(took, 0.99), bar: { at_most: 20 } },
  ];
}

export async function wholeTurn(rig: Rig): Promise<Figure[]> {
  const server = await rig.serve();
  const { client } = server;
  const open = async () => {
    const session = await rig.newSession(client);
    return { session, stream: await client.stream(session) };
  };
  const one = await open();
  const took = await timed(300, () => turn(client, one.stream, one.session, "say hi"));
  one.stream.close();
  const many = await Promise.all(Array.from({ length: 32 }, open));
  const perSecond = await rate(32, 5_000, async (worker) => {
    const at = many[worker];
    if (at) await turn(client, at.stream, at.session, "say hi");
  });
  for (const { stream } of many) stream.close();
  await server.close();
  const what = "whole plain turn, 1 session";
  return [
    { area: "turn", what: `${what}, p50`, unit: "ms", value: percentile(took, 0.5), bar: { at_most: 8 } },
    { area: "turn", what: `${what}, p95`, unit: "ms", value: percentile(took, 0.95), bar: { at_most: 20 } },
    {
      area: "turn",
      what: "plain turns, 32 sessions",
      unit: "per s",
      value: perSecond,
      bar: { at_least: 500 },
    },
  ];
}

/** From the end of the answer with the call until the next request leaves. */
export async function toolStep(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const models = recordingModels();
  const server = await rig.inProcess(models);
  const session = await rig.newSession(server.client);
  const stream = await server.client.stream(session);
  const took = await timed(150, async () => {
    const answered = models.nextAnswer();
    const asked = answered.then(models.nextRequest);
    await turn(server.client, stream, session, toolTurn);
    return (await asked) - (await answered);
  });
  stream.close();
  await server.close();
  return [
    {
      area: "tool",
      what: "one step: answer, `true` in a warm sandbox, next request; p50",
      unit: "ms",
      value: percentile(took, 0.5),
      bar: { at_most: 8 },
    },
  ];
}

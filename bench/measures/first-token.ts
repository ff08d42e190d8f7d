import { readdirSync } from "node:fs";
import { join } from "node:path";
import { builtInSandboxes } from "../../src/config/sandboxes.ts";
import { sandboxOf } from "../../src/hands/placement.ts";
import type { CloudConfig } from "../../src/protocol/environments.ts";
import { sandboxSpec } from "../../src/tools/sandbox-spec.ts";
import type { Client } from "../client.ts";
import type { Figure } from "../figure.ts";
import type { Rig } from "../rig.ts";
import { percentile } from "../stats.ts";

const pairs = 20;
const thinkingMs = 400;
/** It says something, then works in its sandbox, and says what has come of it. */
const work = "say I will look.\nbash true\nthen\nsay done";

interface Case {
  what: string;
  setup: string[];
  text: string;
  /** How much sooner, in `%` of the time with the sandbox first. */
  bars: { p50: number; p95: number } | null;
}

const cases: Case[] = [
  { what: "a model without delay", setup: [], text: work, bars: null },
  {
    what: "1 s until the sandbox is there, a model without delay",
    setup: ["sleep 1"],
    text: work,
    bars: { p50: 60, p95: 90 },
  },
  {
    what: `1 s until the sandbox is there, ${thinkingMs} ms of thought`,
    setup: ["sleep 1"],
    text: `wait ${thinkingMs}ms\n${work}`,
    bars: { p50: 60, p95: 60 },
  },
];

/**
 * From the user's message until its client sees the first of the answer, in sessions that have no sandbox yet: once where
 * the message waits for the sandbox, and once as it is. All else is the same, and they take turns.
 */
export async function firstToken(rig: Rig): Promise<Figure[]> {
  if (rig.noSandbox) return [];
  const server = await rig.serve();
  const figures: Figure[] = [];
  for (const each of cases) figures.push(...(await compare(rig, server.client, each)));
  figures.push(await withoutTools(rig, server.client));
  await server.close();
  return figures;
}

async function compare(rig: Rig, client: Client, { what, setup, text, bars }: Case): Promise<Figure[]> {
  const environment = await client.post<{ id: string; config: CloudConfig }>("/v1/environments", {
    name: what,
    config: { type: "cloud", networking: { type: "unrestricted" }, setup },
  });
  const first: number[] = [];
  const asItIs: number[] = [];
  const sandboxFirst = (session_id: string) => provision(rig, session_id, environment.config);
  for (let i = 0; i < pairs; i += 1) {
    first.push(await answered(rig, client, environment.id, { text, before: sandboxFirst }));
    asItIs.push(await answered(rig, client, environment.id, { text, before: async () => {} }));
  }
  const area = "first token";
  return ([50, 95] as const).flatMap((p): Figure[] => {
    const [coupled, own] = [percentile(first, p / 100), percentile(asItIs, p / 100)];
    const sooner = 100 * (1 - own / coupled);
    const bar = bars && { bar: { at_least: p === 50 ? bars.p50 : bars.p95 } };
    return [
      { area, what: `${what}: sandbox first, p${p}`, unit: "ms", value: coupled },
      { area, what: `${what}: Drover, p${p}`, unit: "ms", value: own },
      { area, what: `${what}: sooner by, p${p}`, unit: "%", value: sooner, ...bar },
    ];
  });
}

/** What a harness does that needs its sandbox to think: the session's own is made before the message is sent on. */
async function provision(rig: Rig, session_id: string, environment: CloudConfig): Promise<void> {
  const agent = { mcp_servers: [] };
  const spec = sandboxSpec({ environment, agent, settings: builtInSandboxes });
  const scope = { session_id, sandbox_id: sandboxOf(session_id), epoch: 0 };
  const { signal } = new AbortController();
  const result = await rig.hands.setUp({ ...scope, spec, restore: false, mounts: 0 }, () => {}, signal);
  if (result.status !== "ready") throw new Error(`the sandbox is not ready: ${JSON.stringify(result)}`);
}

async function answered(
  rig: Rig,
  client: Client,
  environment_id: string,
  { text, before }: { text: string; before: (session_id: string) => Promise<void> },
): Promise<number> {
  const session = await rig.newSession(client, "simulated", environment_id);
  const stream = await client.stream(session);
  const seen = stream.next("agent.message");
  const over = stream.next("session.status_idle");
  const start = performance.now();
  await before(session);
  await client.say(session, text);
  await seen;
  const ms = performance.now() - start;
  await over;
  stream.close();
  await client.delete(`/v1/sessions/${session}`);
  return ms;
}

async function withoutTools(rig: Rig, client: Client): Promise<Figure> {
  const sessions = 20;
  const made = () => readdirSync(join(rig.handsFolder, "sandboxes"));
  // Those of sessions that were deleted may go meanwhile.
  const before = new Set(made());
  for (let i = 0; i < sessions; i += 1) {
    const session = await rig.newSession(client);
    const stream = await client.stream(session);
    const over = stream.next("session.status_idle");
    await client.say(session, "say hi");
    await over;
    stream.close();
  }
  return {
    area: "first token",
    what: `sandboxes of ${sessions} sessions that needed no tool`,
    unit: "sandboxes",
    value: made().filter((name) => !before.has(name)).length,
    bar: { at_most: 0 },
  };
}

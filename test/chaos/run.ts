import { setTimeout as pause } from "node:timers/promises";
import { limits } from "../../src/limits.ts";
import { randomOf } from "../harness/fuzz/random.ts";
import { type Harm, harm } from "./adversary.ts";
import { problemsOf } from "./checker.ts";
import { type Client, clientOf } from "./client.ts";
import { commandsRun, restoreTold } from "./commands.ts";
import type { HostSpec } from "./hosts.ts";
import { hostHarmsOf, recoveryOf } from "./losses.ts";
import { type Parts, type ServeSpec, startParts } from "./parts.ts";
import { type Act, planOf, told } from "./plan.ts";
import { type Played, play, wordsFile } from "./player.ts";

export interface ChaosOptions {
  seed: number;
  run_ms: number;
  /** Sessions at a time; each is followed by another one. */
  players: number;
  tell?(line: string): void;
}

/** What a run was and what it has found. */
export interface Report {
  seed: number;
  run_ms: number;
  players: number;
  /** How often each thing was done. */
  acts: Map<string, number>;
  broken_connections: number;
  sessions: number;
  events: number;
  commands: number;
  /** Sessions that went on at another host, results that told of it, and calls that were lost with one. */
  moved: number;
  restores: number;
  losses: number;
  requests: number;
  retries: number;
  refusals: number;
  reader_connections: number;
  /** From the last act until all sessions were at rest. */
  settled_ms: number;
  /** Empty: nothing was lost and nothing was done twice. */
  problems: string[];
}

const serves: ServeSpec[] = [
  { name: "serve-1", roles: "api,brain,jobs" },
  { name: "serve-2", roles: "api,brain" },
  { name: "serve-3", roles: "brain" },
];

const hosts: HostSpec[] = [
  { name: "hands-1", over: "socket" },
  { name: "hands-2", over: "network" },
  { name: "hands-3", over: "network" },
];
const host_gone_seconds = 3;

/** Of each part, where something was found. */
const logLinesTold = 60;

/** Of an event, where something was found. */
const eventCharsTold = 600;

/** How long sessions have to come to rest once nothing is harmed any more. */
const settle_ms_max = 120_000;

/** Sessions are played while an adversary harms the parts; then an independent look is taken at what has come of it. */
export async function chaos(options: ChaosOptions): Promise<Report> {
  const parts = await startParts({ serves, hosts, host_gone_seconds, file: wordsFile });
  try {
    return await run(parts, options);
  } finally {
    await parts.close();
  }
}

async function run(parts: Parts, { seed, run_ms, players, tell = () => {} }: ChaosOptions): Promise<Report> {
  const client = clientOf(parts.urls);
  const played: Played[] = [];
  const acts = new Map<string, number>();
  const over = new AbortController();
  const { environment_id, ...agents } = await prepare(client);
  const since = Date.now();
  const note = (act: Act) => {
    tell(`${((Date.now() - since) / 1_000).toFixed(1).padStart(6)} s  ${told(act)}`);
    const kind = act.do === "move_clock" ? "move the clock" : told(act);
    acts.set(kind, (acts.get(kind) ?? 0) + 1);
  };

  const plan = planOf(seed, parts.targets, {
    run_ms,
    lease_ms: limits.process_dead_ms,
    // Whether anybody is there is looked at with every ping.
    host_gone_ms: host_gone_seconds * 1_000 + limits.hands_ping_ms,
    host_silent_ms: limits.hands_silent_ms + limits.hands_ping_ms,
  });
  const harming = harm(parts, plan, note);
  const playing = Array.from({ length: players }, (_, n) =>
    play({
      client,
      urls: parts.urls,
      random: randomOf(seed, n + 1),
      agents,
      environment_id,
      over: over.signal,
      began: (each) => void played.push(each),
    }),
  );
  const [harms] = await Promise.all([harming, pause(run_ms)]);
  over.abort();
  const calm = Date.now();
  const left = await settled(Promise.all(playing));
  const settled_ms = Date.now() - calm;
  const problems = [...parts.ended];
  if (left === "late") problems.push(`after ${settle_ms_max / 1_000} s not all sessions were at rest`);
  tell(`${played.length} sessions are looked at`);
  const looks: Look[] = [];
  for (const each of played) {
    const look = await check(parts, client, each, harms);
    looks.push(look);
    problems.push(...look.problems.map((problem) => `${each.id}: ${problem}`));
    if (look.problems.length > 0) tellLook(look, tell);
  }
  const sum = (count: (look: Look) => number) => looks.reduce((all, look) => all + count(look), 0);
  if (problems.length > 0) tellLogs(parts, tell);
  return {
    seed,
    run_ms,
    players,
    acts,
    broken_connections: [...parts.links.values()].reduce((sum, link) => sum + link.broken(), 0),
    sessions: played.length,
    events: sum(({ events }) => events),
    commands: sum(({ commands }) => commands),
    moved: sum(({ moved }) => (moved ? 1 : 0)),
    restores: sum(({ restores }) => restores),
    losses: sum(({ losses }) => losses),
    ...client.counts,
    reader_connections: played.reduce(
      (sum, { byCursor, withCare }) => sum + byCursor.connections() + withCare.connections(),
      0,
    ),
    settled_ms,
    problems,
  };
}

function tellLogs({ targets, log }: Parts, tell: (line: string) => void): void {
  for (const name of [...targets.serves, ...targets.hands])
    for (const line of log(name).slice(-logLinesTold)) tell(`${name}: ${line}`);
}

/** All that was found of one session. */
function tellLook({ list, workspaces }: Look, tell: (line: string) => void): void {
  for (const event of list) tell(JSON.stringify(event).slice(0, eventCharsTold));
  for (const workspace of workspaces) tell(JSON.stringify(workspace));
}

const settled = (all: Promise<unknown>): Promise<"settled" | "late"> =>
  Promise.race([all.then(() => "settled" as const), pause(settle_ms_max, "late" as const, { ref: false })]);

async function prepare(client: Client): Promise<{ asking: string; allowed: string; environment_id: string }> {
  const agent = async (type: "always_allow" | "always_ask", model: string) => {
    const tools = [
      { type: "agent_toolset_20260401" as const, default_config: { permission_policy: { type } } },
    ];
    const made = await client.insist((sdk, options) =>
      sdk.beta.agents.create({ name: type, model, tools }, options),
    );
    if ("refused" in made) throw new Error(made.refused);
    return made.acknowledged.id;
  };
  const environment = await client.insist((sdk, options) =>
    sdk.beta.environments.create({ name: "chaos" }, options),
  );
  if ("refused" in environment) throw new Error(environment.refused);
  return {
    asking: await agent("always_ask", "simulated"),
    allowed: await agent("always_allow", "simulated/400"),
    environment_id: environment.acknowledged.id,
  };
}

type Look = Awaited<ReturnType<typeof check>>;

async function check(parts: Parts, client: Client, played: Played, harms: readonly Harm[]) {
  const { id, byCursor, withCare } = played;
  const list = await client.list(id);
  const session = await client.insist((sdk, options) => sdk.beta.sessions.retrieve(id, {}, options));
  if ("refused" in session) throw new Error(`${id}: ${session.refused}`);
  // A reader that never gets there is told of by what it has seen.
  const caughtUp = Promise.all([
    byCursor.until(list.length),
    withCare.until((seen) => (seen.length >= list.length ? true : undefined)),
  ]);
  await Promise.race([caughtUp, pause(30_000, null, { ref: false })]);
  await Promise.all([byCursor.close(), withCare.close()]);
  const workspaces = parts.workspaces(id);
  const problems = problemsOf({
    sent: played.sent,
    refusedTexts: played.refused.flatMap(({ event }) =>
      event.type === "user.message" ? [JSON.stringify(event.content)] : [],
    ),
    session: session.acknowledged,
    list,
    workspaces,
    sent_ms: played.sent_ms,
    seen_ms: withCare.seen_ms,
    hostHarms: hostHarmsOf(harms, parts.targets.hands),
    hostIds: parts.hostIds(),
    byCursor: byCursor.frames,
    withCare: withCare.seen,
  });
  for (const { event, why } of played.refused) problems.push(`${event.type} was refused: ${why}`);
  return {
    list,
    workspaces,
    events: list.length,
    commands: commandsRun(workspaces),
    moved: new Set(workspaces.map(({ host }) => host)).size > 1,
    restores: list.filter((event) => restoreTold(event) !== null).length,
    losses: list.filter((event) => recoveryOf(event) !== null).length,
    problems,
  };
}

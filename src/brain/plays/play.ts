import assert from "node:assert/strict";
import type { Database } from "../../db/database.ts";
import { type AppendRequest, append } from "../../log/append.ts";
import { type Lease, reap } from "../../log/lease.ts";
import type { ModelEvent, ModelRequest } from "../../models/model.ts";
import { ApiError } from "../../protocol/errors.ts";
import { sendEvents } from "../../resources/sessions/send-events.ts";
import { decide, unlimited } from "../decide.ts";
import { drive, type Effects } from "../drive.ts";
import { fold } from "../fold.ts";
import { createMemory } from "../memory.ts";
import { factsOf, sessionAt, testAgent, testSession } from "../testing.ts";
import { asksIn, isFromClient, nameOf, requestOf } from "./client.ts";
import { forkAt } from "./fork.ts";
import { StaleEpoch, scriptedHands } from "./hands.ts";
import { type McpProcess, mcpProcess, scriptedBearers, sessionSecret } from "./mcp-process.ts";
import { type McpServers, mcpAgent, startMcpServers } from "./mcp-servers.ts";
import { abortOf, endOf, judged } from "./model.ts";
import {
  type Answer,
  type ClientEvent,
  first,
  type Plan,
  type PlannedEvent,
  type PlannedFork,
} from "./plan.ts";
import { asksOf, assertRows, becomeDue, type Snapshot, snapshotOf } from "./rows.ts";
import { createTurns, type Turns, watchedDatabase } from "./turns.ts";

/** What a plan has come to. */
export interface Played {
  rows: Snapshot;
  /** Every request the model got, those of the judge left out. */
  asked: ModelRequest[];
  /** How far the log went when each of them was made. */
  asked_seqs: number[];
  /** The ids of the calls that were run. */
  ran: string[];
  needs_setup: boolean;
  /** Of the calls that MCP servers have begun, by the ids that the model gave them: which tool, and how often. */
  begun: McpServers["begun"];
  /** The ids of client events as they were accepted, oldest first. */
  accepted: string[];
  /** What each of its forks has come to, and theirs. */
  forks: Played[];
}

/** Where a play goes on from. */
interface Beginning {
  session_id: string;
  accepted: string[];
  /** How many messages were sent and requests made by then: their names go on from there. */
  messages: number;
  requests: number;
}

class Crash extends Error {}

/** One brain, from its claim on. */
interface Life {
  name: string;
  lease: Lease;
  dead: boolean;
  /** It is no longer the one that drives the session. */
  over: boolean;
  /** It has given the session back in the log. */
  parked: boolean;
  frozen: Promise<void> | null;
  thaw(): void;
  froze: PromiseWithResolvers<"frozen">;
  stop: AbortController;
  /** Null where the agent has no MCP servers. */
  mcp: ReturnType<McpProcess["of"]> | null;
}

/** Drives one session after the other, and speaks with MCP servers for it. */
interface Process {
  life: Life | null;
  mcp: McpProcess;
}

type Planned = Omit<Extract<PlannedEvent, { type: "send" }>, "type">;

const answerToAll: ClientEvent = {
  type: "answer",
  late: false,
  most: Number.POSITIVE_INFINITY,
  allow: true,
  empty: false,
};

/** A model that takes system messages. */
const agents = { of: async () => ({ name: testAgent.name, model: "simulated" }) };

/** Longer than any wait for a retry. */
const retry_ms = 3_600_000;

/** A session that is driven more often than this makes no progress. */
const livesMax = 400;

/**
 * Plays a plan on a session in the database until nothing is left to be done and all that was asked is answered. The
 * rows are compared with the log after every append. `trace` gets what happened, line by line.
 */
export async function play(
  database: Database,
  plan: Plan,
  trace: string[],
  fork: Beginning | null = null,
): Promise<Played> {
  const turns = createTurns(plan.turns);
  const servers = plan.mcp && (await startMcpServers(plan.mcp, { turns, secret: sessionSecret, trace }));
  try {
    const played = await playWith(
      { turns, servers, db: watchedDatabase(database, turns) },
      plan,
      trace,
      fork,
    );
    const forks: Played[] = [];
    for (const { events, beginning } of played.forks) {
      trace.push(`fork ${beginning.session_id} goes on`);
      forks.push(
        await play(database, { ...plan, answers: [], events: [...events, first] }, trace, beginning),
      );
    }
    return { ...played, forks };
  } finally {
    await servers?.close();
  }
}

interface Stage {
  db: Database;
  turns: Turns;
  servers: McpServers | null;
}

type Left = Omit<Played, "forks"> & { forks: { events: PlannedEvent[]; beginning: Beginning }[] };

async function playWith(
  { db, turns, servers }: Stage,
  plan: Plan,
  trace: string[],
  fork: Beginning | null,
): Promise<Left> {
  const events = [...plan.events];
  const answers = [...plan.answers];
  const accepted = [...(fork?.accepted ?? [])];
  const forks: Left["forks"] = [];
  const asked: ModelRequest[] = [];
  const asked_seqs: number[] = [];
  const memories = [createMemory(1 << 20), createMemory(1 << 20)];
  const frozen: { life: Life; end: Promise<string> }[] = [];
  const rings = new Set<() => void>();
  const agent = servers ? mcpAgent : testAgent;
  const session = fork ? sessionAt(db, fork.session_id, () => []) : await testSession(db, () => [], agent);
  const bearers = plan.mcp && scriptedBearers(plan.mcp);
  const processes: (Process | null)[] = [begin(), begin()];
  const gone: Process[] = [];
  const hands = scriptedHands(plan.setups?.map((setup) => ({ ...setup })) ?? null);
  const needs_setup = plan.setups !== null;
  /** The brains' clock, in `ms`. It stands still but for this: nobody waits for a retry. */
  let now = Date.now();
  let head = 0;
  let messages = fork?.messages ?? 0;
  let requests = fork?.requests ?? 0;
  let sending = Promise.resolve();

  function begin(): Process | null {
    if (!servers || !bearers) return null;
    const process: Process = {
      life: null,
      mcp: mcpProcess(servers, bearers, {
        boundary: async (where) => process.life && boundary(process.life, where),
        pause: async (where, ended) => process.life && pause(process.life, where, ended),
      }),
    };
    return process;
  }

  async function look(): Promise<Snapshot> {
    const rows = await snapshotOf(db, session.id);
    assertRows(rows);
    head = rows.seq;
    for (const ring of rings) ring();
    return rows;
  }

  /** Whether the events were accepted. One request at a time. */
  async function send(planned: Planned): Promise<boolean> {
    const sent = sending.then(() => sendNow(planned));
    sending = sent.then(
      () => {},
      () => {},
    );
    return sent;
  }

  async function sendNow(planned: Planned): Promise<boolean> {
    const before = await snapshotOf(db, session.id);
    const params = requestOf(planned, before, () => `m${++messages}`);
    if (params.length === 0) return false;
    const log = {
      async append(request: AppendRequest) {
        const [result] = await append(db, [request], 0);
        return result ?? assert.fail("no answer");
      },
    };
    const blobs = { open: () => assert.fail("nothing names a file") };
    const what = params.map(nameOf).join(", ");
    try {
      const { data } = await sendEvents({ db, log, sessionAgents: agents, blobs }, "w", session.id, params);
      trace.push(`client: ${what}`);
      accepted.push(...data.map(({ id }) => id));
      const { entries } = await look();
      const asks = asksOf(
        entries.slice(
          0,
          entries.findIndex(({ id }) => id === data[0]?.id),
        ),
      );
      for (const ask of asksIn(params)) assert.ok(asks.includes(ask), `accepted, and not asked: ${ask}`);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      trace.push(`client, refused: ${what}`);
      const { seq, entries } = await snapshotOf(db, session.id);
      const answered = asksIn(params);
      const wrong = answered.filter((ask, i) => !before.asks.includes(ask) || answered.indexOf(ask) !== i);
      const isAsking = before.status === "idle" && before.asks.length > 0;
      const systemAlone = params.at(-1)?.type === "system.message" && params.at(-2)?.type === "user.message";
      const because = wrong.length > 0 || (isAsking && systemAlone);
      if (seq === before.seq) assert.ok(because, `refused: ${error.message}`);
      const left = entries.slice(before.seq).filter(isFromClient);
      assert.deepEqual(left, [], "what was refused is in the log");
      return false;
    }
  }

  async function forkNow({ at, events }: PlannedFork): Promise<void> {
    const made = await forkAt(db, session.id, at);
    trace.push(`fork ${made.id} at ${made.event}`);
    const { entries } = await snapshotOf(db, made.id);
    const beginning: Beginning = {
      session_id: made.id,
      accepted: entries.filter(isFromClient).map(({ id }) => id),
      messages,
      requests,
    };
    forks.push({ events, beginning });
  }

  /** Lets happen what is planned for this boundary. `interrupted`: the client has just said so. */
  async function boundary(life: Life, where: string): Promise<{ interrupted: boolean }> {
    await turns.take();
    if (life.frozen) {
      await life.frozen;
      await turns.take();
    }
    if (life.dead) throw new Crash();
    if (life.over) return { interrupted: false };
    const event = events.shift();
    switch (event?.type) {
      case "send": {
        const landed = await send(event);
        return { interrupted: landed && event.events.some(({ type }) => type === "interrupt") };
      }
      case "crash":
        trace.push(`${life.name}, ${where}: crash`);
        life.dead = true;
        throw new Crash();
      case "freeze": {
        trace.push(`${life.name}, ${where}: freeze`);
        const { promise, resolve } = Promise.withResolvers<void>();
        Object.assign(life, { over: true, frozen: promise, thaw: resolve });
        life.froze.resolve("frozen");
        await promise;
        await turns.take();
        break;
      }
      case "stop":
        trace.push(`${life.name}, ${where}: stop`);
        life.stop.abort();
        break;
      case "thaw":
        thaw();
        break;
      case "fork":
        await forkNow(event);
    }
    return { interrupted: false };
  }

  /** A boundary of something that an interrupt ends: not before it has been heard of it goes on. */
  async function pause(life: Life, where: string, signal: AbortSignal): Promise<void> {
    const { interrupted } = await boundary(life, where);
    if (!interrupted || life.over) return;
    await Promise.race([aborted(signal), life.froze.promise]);
    await turns.take();
  }

  function thaw(): void {
    for (const { life } of frozen) life.thaw();
  }

  async function* answer(
    life: Life,
    planned: Answer,
    n: number,
    signal: AbortSignal,
  ): AsyncGenerator<ModelEvent> {
    for (let i = 0; i < planned.pauses; i += 1) {
      await pause(life, "while the model answers", signal);
      if (signal.aborted) {
        yield abortOf(n);
        return;
      }
    }
    yield endOf(planned, n);
  }

  function effectsOf(life: Life): Effects {
    const plain = session.effects(life.lease);
    return {
      ...plain,
      async ring(seq, signal) {
        await new Promise<void>((resolve) => {
          const check = () => {
            if (!signal.aborted && head <= seq) return;
            rings.delete(check);
            resolve();
          };
          rings.add(check);
          signal.addEventListener("abort", check);
          check();
        });
        await turns.take();
      },
      async append(request) {
        const what = request.entries.map(({ type }) => type).join(", ");
        await boundary(life, "before it appends");
        const isStale = life.lease.epoch < hands.epoch();
        const result = await plain.append(waitingLong(request));
        trace.push(`${life.name}: ${what}${request.run ? " (parks)" : ""}: ${result.verdict}`);
        if (result.verdict === "accepted") {
          assert.ok(!isStale, "a brain wrote that had lost the session");
          life.parked = request.run?.type === "park";
          await look();
        }
        await boundary(life, "after its append");
        return result;
      },
      async *callModel(request, signal) {
        if (request.model === "judge") {
          yield* judged(request);
          return;
        }
        await boundary(life, "before it asks the model");
        const planned = answers.shift() ?? { type: "text", blocks: ["text"], pauses: 0 };
        if (!life.over) {
          asked.push(structuredClone(request));
          asked_seqs.push(head);
        }
        trace.push(`${life.name} asks the model: ${JSON.stringify(planned)}`);
        yield* answer(life, planned, ++requests, signal);
      },
      async listMcp(server, signal) {
        await boundary(life, `before it asks ${server.name} for its tools`);
        const listed = (await life.mcp?.listMcp(server, signal)) ?? assert.fail("there is no server");
        await boundary(life, `after it has asked ${server.name}`);
        trace.push(`${life.name}: ${server.name}: ${listed.status}`);
        return listed;
      },
      watchMcp: (changed) => life.mcp?.watchMcp(changed) ?? [],
      async runTool(call, signal, asking) {
        await boundary(life, `before it runs ${call.id}`);
        const running =
          call.mcp && life.mcp
            ? life.mcp.run(call, signal, asking)
            : hands.run(call, life.lease.epoch, signal, () => pause(life, `while ${call.id} runs`, signal));
        const result = await running;
        await boundary(life, `after ${call.id} has run`);
        return result;
      },
      cancelTool: (call) => hands.cancel(call),
      // What others wait for too goes on, as it does here.
      cancelSetUp() {},
      async setUp(_contents, say, signal) {
        await boundary(life, "before the environment is set up");
        const result = await hands.setUp(life.lease.epoch, signal, say, () =>
          pause(life, "while the environment is set up", signal),
        );
        if (!signal.aborted) await boundary(life, "after the environment is set up");
        trace.push(`${life.name}: the environment is ${result.status}`);
        return result;
      },
      contextWindow: () => (plan.compacts ? 200_000 : Number.POSITIVE_INFINITY),
      now: () => now,
    };
  }

  /** A session that somebody writes to, such as a brain that has just come back, is passed over until the next look. */
  async function claimed(attempts = 50): Promise<Lease> {
    try {
      return await session.claim();
    } catch (error) {
      if (attempts === 0) throw error;
      return claimed(attempts - 1);
    }
  }

  async function live(n: number): Promise<void> {
    const lease = await claimed();
    hands.claimed(lease.epoch);
    const process = processes[n % processes.length] ?? null;
    const life: Life = {
      name: `brain ${n}`,
      lease,
      dead: false,
      over: false,
      parked: false,
      frozen: null,
      thaw() {},
      froze: Promise.withResolvers(),
      stop: new AbortController(),
      mcp: process?.mcp.of(session.id) ?? null,
    };
    if (process) process.life = life;
    const driving = drive(
      { ...factsOf(session), agent, fold_from: lease.fold_from, needs_setup },
      lease,
      effectsOf(life),
      life.stop.signal,
      memories[n % memories.length],
    );
    const end: Promise<string> = driving.catch((error) => {
      if (life.dead && error instanceof Crash) return "died";
      if (life.over && error instanceof StaleEpoch) return "lost";
      throw error;
    });
    const how = await Promise.race([end, life.froze.promise]);
    await turns.take();
    trace.push(`${life.name}: ${how}`);
    life.over = true;
    if (how === "frozen") {
      end.catch(() => {}).finally(() => life.mcp?.giveUp());
      frozen.push({ life, end });
    }
    if (how === "parked") life.mcp?.rest();
    else if (how !== "frozen") life.mcp?.giveUp();
    if (process && (how === "died" || how === "frozen")) {
      processes[n % processes.length] = begin();
      gone.push(process);
    }
    // As when its process is found dead.
    if (how === "died" || how === "frozen") await reap(db, null);
    else assert.match(how, /^(parked|stopped)$/, life.name);
  }

  /** What happens while nobody has anything to do; false when nothing more will. */
  async function rest(rows: Snapshot): Promise<boolean> {
    const event = events.shift();
    if (event?.type === "send") await send(event);
    else if (event?.type === "thaw") thaw();
    else if (event?.type === "fork") await forkNow(event);
    else if (!event && rows.asks.length === 0) return false;
    else if (!event) await send({ events: [answerToAll], system: false });
    return true;
  }

  for (let n = 1; ; ) {
    assert.ok(n < livesMax, "it goes on for ever");
    // What a client was sending as a brain died.
    await sending;
    await turns.take();
    const rows = await look();
    assert.equal(rows.driven, false, "it was not given back");
    if (rows.due === "now") await live(n++);
    else if (rows.due === "later") {
      // It waits to try again: something may come first.
      const event = events.shift();
      if (event?.type === "send") await send(event);
      else {
        now += retry_ms;
        await becomeDue(db, session.id);
      }
    } else {
      const { actions, park } = decide(fold(rows.entries), new Set(), now, {
        ...unlimited,
        needs_setup,
        agent,
      });
      // A fork waits to be sent something, whatever was cut off.
      if (!fork || n > 1) {
        const left = actions.map((action) => action.do);
        assert.deepEqual(left, [], "there is something to do, and nobody will look");
        assert.equal(park?.after_ms, null, "it waits for a time, and nobody will look");
      }
      if (!(await rest(rows))) break;
    }
  }
  thaw();
  for (const { life, end } of frozen) {
    assert.match(await end, life.parked ? /^(parked|stopped)$/ : /^lost$/, `${life.name} came back`);
  }
  // Of brains that have lost the session something may still go on.
  await turns.over();
  const rows = await look();
  await Promise.all([...processes, ...gone].map((process) => process?.mcp.close()));
  const begun = servers?.begun ?? new Map();
  return { rows, asked, asked_seqs, ran: hands.ran, begun, needs_setup, accepted, forks };
}

/** Whether a retry is due by now must not depend on how fast this machine is. */
const waitingLong = (request: AppendRequest): AppendRequest =>
  request.run?.type === "park" && request.run.after_ms
    ? { ...request, run: { type: "park", after_ms: retry_ms } }
    : request;

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });

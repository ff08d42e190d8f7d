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
import { createTurns, watchedDatabase } from "./turns.ts";

/** What a plan has come to. */
export interface Played {
  rows: Snapshot;
  /** Every request the model got, those of the judge left out. */
  asked: ModelRequest[];
  /** The ids of the calls that were run. */
  ran: string[];
  needs_setup: boolean;
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
  const db = watchedDatabase(database, turns);
  const events = [...plan.events];
  const answers = [...plan.answers];
  const accepted = [...(fork?.accepted ?? [])];
  const forks: (() => Promise<Played>)[] = [];
  const asked: ModelRequest[] = [];
  const memories = [createMemory(1 << 20), createMemory(1 << 20)];
  const frozen: { life: Life; end: Promise<string> }[] = [];
  const rings = new Set<() => void>();
  const session = fork ? sessionAt(db, fork.session_id, () => []) : await testSession(db, () => []);
  const hands = scriptedHands(plan.setups?.map((setup) => ({ ...setup })) ?? null);
  const needs_setup = plan.setups !== null;
  /** The brains' clock, in `ms`. It stands still but for this: nobody waits for a retry. */
  let now = Date.now();
  let head = 0;
  let messages = fork?.messages ?? 0;
  let requests = fork?.requests ?? 0;
  let sending = Promise.resolve();

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
    forks.push(() => {
      trace.push(`fork ${made.id} goes on`);
      return play(database, { ...plan, answers: [], events: [...events, first] }, trace, beginning);
    });
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
    await aborted(signal);
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
        if (!life.over) asked.push(structuredClone(request));
        trace.push(`${life.name} asks the model: ${JSON.stringify(planned)}`);
        yield* answer(life, planned, ++requests, signal);
      },
      async runTool(call, signal) {
        await boundary(life, `before it runs ${call.id}`);
        const result = await hands.run(call, life.lease.epoch, signal, () =>
          pause(life, `while ${call.id} runs`, signal),
        );
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
    };
    const driving = drive(
      { ...factsOf(session), fold_from: lease.fold_from, needs_setup },
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
    trace.push(`${life.name}: ${how}`);
    life.over = true;
    if (how === "frozen") {
      end.catch(() => {});
      frozen.push({ life, end });
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
  const played = { rows: await look(), asked, ran: hands.ran, needs_setup, accepted };
  const gone_on: Played[] = [];
  for (const goOn of forks) gone_on.push(await goOn());
  return { ...played, forks: gone_on };
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

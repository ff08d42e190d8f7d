import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { after, type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { builtInSandboxes } from "../config/sandboxes.ts";
import type { Database } from "../db/database.ts";
import { DatabaseUnavailable } from "../db/errors.ts";
import { testDatabase } from "../db/testing.ts";
import type { Hands } from "../hands/client.ts";
import { createLog } from "../log/group-commit.ts";
import { createPreviews } from "../log/previews.ts";
import { createWatches } from "../log/watch.ts";
import { type Brain, startBrain } from "./brain.ts";
import {
  calls,
  freeLease,
  hanging,
  livingProcess,
  message,
  noMcp,
  of,
  type Script,
  says,
  start,
  testSession,
  testSpending,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const owner = 4711;

/** A brain on the real log. `database` is what it claims sessions with. */
async function begin(context: TestContext, script: Script, database: Database = db) {
  await livingProcess(db, owner);
  const watches = createWatches(database);
  const rejoined: string[] = [];
  const cancelled: string[] = [];
  const troubles = new EventEmitter();
  let brain: Brain | null = null;
  const log = createLog({
    db: database,
    from: () => owner,
    onCommitted(request, { entries, waiting }) {
      watches.committed(request.session_id, entries);
      if (waiting) brain?.wake();
    },
  });
  const hands: Hands = {
    async provision() {},
    async cancelSetUp() {},
    async cancel({ call_id }) {
      cancelled.push(call_id);
    },
    setUp: () => new Promise(() => {}),
    execute: () => new Promise(() => {}),
  };
  brain = startBrain({
    db: database,
    log,
    watches,
    previews: createPreviews(async () => {}),
    openContent: () => assert.fail("nothing names a file"),
    member: { id: () => owner, rejoin: (reason) => rejoined.push(reason) },
    hands: { handsOf: () => hands, met: () => [] },
    host_gone_ms: 0,
    sandboxes: builtInSandboxes,
    repositories: { fetch: () => Promise.reject(new Error("none")), tokenOf: async () => null },
    credentials: { forSandbox: async () => null, hidden: async () => [] },
    mcp: { of: () => noMcp, close: async () => {} },
    web: { tools: [], has: () => false, run: () => Promise.reject(new Error("none")), close() {} },
    models: {
      find: () => ({
        model: {
          async *stream(request, signal) {
            yield* script(request, signal);
          },
        },
      }),
      judgeOf: (modelId) => modelId,
      contextWindow: () => 200_000,
    },
    spending: testSpending,
    findCap: async () => null,
    counts: { toolCalled() {}, workspaceRestored() {}, takenOver() {} },
    trouble: (_, error) => troubles.emit("trouble", error),
  });
  context.after(brain.stop);
  return { brain, rejoined, cancelled, troubles };
}

const becomesIdle = async (session: Awaited<ReturnType<typeof testSession>>, turns: number) => {
  while (of(await session.entries(), "session.status_idle").length < turns) await pause(5);
};

test("a claim whose answer is lost costs the membership; one that did nothing does not", async (context) => {
  let failure: Error | null = null;
  const failing: Database = {
    ...db,
    query: (statement, values) =>
      failure && statement.name === "claim" ? Promise.reject(failure) : db.query(statement, values),
  };
  const { brain, rejoined, troubles } = await begin(context, () => says("Hello."), failing);
  for (const [error, expected] of [
    [new Error("a mistake"), 0],
    [new DatabaseUnavailable("the pool is busy", { mayHaveRun: false }), 0],
    [new DatabaseUnavailable("the connection broke", { mayHaveRun: true }), 1],
  ] as const) {
    failure = error;
    setImmediate(brain.wake);
    while ((await once(troubles, "trouble"))[0] !== error);
    assert.equal(Math.min(1, rejoined.length), expected, error.message);
  }
});

test("the request of an abandoned session is aborted", { timeout: 20_000 }, async (context) => {
  const model = hanging();
  const aborted = Promise.withResolvers<void>();
  const session = await testSession(db, () => []);
  const { brain } = await begin(context, (_, signal) => {
    signal.addEventListener("abort", () => aborted.resolve());
    return model.stream(signal);
  });
  await session.send(message("Go"));
  brain.wake();
  await model.asked;
  brain.abandon();
  await aborted.promise;
});

test("the log of a parked session is not read again from its start, until the database may be another", {
  timeout: 20_000,
}, async (context) => {
  const reads: number[] = [];
  const session = await testSession(db, () => []);
  const watching: Database = {
    ...db,
    query(statement, values) {
      if (statement.name === "read_after" && values.includes(session.id)) reads.push(Number(values[1]));
      return db.query(statement, values);
    },
  };
  const { brain } = await begin(context, () => says("Hello."), watching);
  const turn = async (n: number) => {
    reads.length = 0;
    await session.send(message("Go"));
    brain.wake();
    await becomesIdle(session, n);
    return reads.includes(0);
  };
  assert.equal(await turn(1), true);
  assert.equal(await turn(2), false);
  brain.abandon();
  assert.equal(await turn(3), true);
});

test("a command that a dead brain began is stopped by the interrupt that follows", {
  timeout: 20_000,
}, async (context) => {
  const session = await testSession(db, () => calls("bash one"));
  await session.send(message("Go"));
  const dying = await start(db, session, { runTool: () => Promise.reject(new Error("crash")) });
  await dying.end.catch(() => {});
  await freeLease(db, session.id);
  await session.send({ type: "user.interrupt" });
  const { brain, cancelled } = await begin(context, () => says("Never."));
  brain.wake();
  await becomesIdle(session, 1);
  const [call] = of(await session.entries(), "agent.tool_use");
  assert.ok(call && cancelled.some((id) => id.startsWith(call.id)), cancelled.join());
});

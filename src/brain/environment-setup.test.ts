import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testDatabase } from "../db/testing.ts";
import type { SetUpResult } from "../hands/wire.ts";
import { limits } from "../limits.ts";
import { bodyOf, type Entry } from "../log/entry.ts";
import { cloudDefault } from "../protocol/environments.ts";
import { newId } from "../protocol/ids.ts";
import { decide } from "./decide.ts";
import { drive, type Effects } from "./drive.ts";
import { needsSetup } from "./environment-setup.ts";
import { fold } from "./fold.ts";
import type { AgentFacts } from "./session.ts";
import { settle } from "./settle.ts";
import {
  calls,
  factsOf,
  freeLease,
  message,
  never,
  of,
  type Script,
  says,
  start,
  type TestSession,
  testAgent,
  testSession,
  testSpending,
} from "./testing.ts";

const db = await testDatabase();
after(() => db.close());

const factsFor = (session: TestSession) => ({ ...factsOf(session), needs_setup: true });

/** Makes these calls in answer to each message, then says that it is done. */
const once =
  (...names: string[]): Script =>
  ({ messages }) =>
    messages.at(-1)?.content.at(-1)?.type === "tool_result" ? says("Done.") : calls(...names);

/** A set-up that waits until it is told how it ends. */
function setups() {
  const asked: { restore: boolean; say(line: string): void; end(result: SetUpResult): void }[] = [];
  let waiting = Promise.withResolvers<void>();
  return {
    asked,
    /** Resolves when it is asked for the `nth` time. */
    async until(nth: number) {
      while (asked.length < nth) await waiting.promise;
      return asked[nth - 1] ?? assert.fail();
    },
    setUp: (({ restore }, say) => {
      const { promise, resolve: end } = Promise.withResolvers<SetUpResult>();
      asked.push({ restore, say, end });
      waiting.resolve();
      waiting = Promise.withResolvers();
      return promise;
    }) satisfies Effects["setUp"],
  };
}

const endsAs = (result: SetUpResult) => {
  const asked: boolean[] = [];
  const setUp: Effects["setUp"] = async ({ restore }) => {
    asked.push(restore);
    return result;
  };
  return { asked, setUp };
};

const failed: SetUpResult = { status: "failed", message: "pip could not install nonsense: no such thing" };
const ready: SetUpResult = { status: "ready" };

const withTools = (...names: string[]): AgentFacts => ({
  ...testAgent,
  tools: [
    {
      type: "agent_toolset_20260401",
      configs: names.map((name) => ({ name, enabled: true, permission_policy: { type: "always_allow" } })),
    },
  ],
});

/** Resolves when the log tells of progress. */
async function untilTold(session: TestSession): Promise<void> {
  while (of(await session.entries(), "span.environment_setup_ongoing").length === 0);
}

async function run(session: TestSession, changed: Partial<Effects> = {}) {
  const { end } = await start(db, session, changed, never, factsFor(session));
  assert.equal(await end, "parked");
  return session.entries();
}

const shown = (entries: Entry[]) =>
  entries.filter(({ type }) => /^(span.env|tool_started|agent.tool|session.error|session.status)/.test(type));
const typesOf = (entries: Entry[]) => shown(entries).map(({ type }) => type);
const resultsOf = (entries: Entry[]) =>
  of(entries, "agent.tool_result").map((entry) => JSON.stringify(bodyOf(entry, "agent.tool_result").content));
const endsOf = (entries: Entry[]) =>
  of(entries, "span.environment_setup_end").map((entry) => bodyOf(entry, "span.environment_setup_end"));
const stopReason = (entries: Entry[]) => {
  const last = entries.at(-1) ?? assert.fail();
  return bodyOf(last, "session.status_idle").stop_reason.type;
};

describe("an environment is set up", () => {
  test("before the first call in the sandbox, and never again", async () => {
    const session = await testSession(db, once("bash one", "bash two"));
    const { asked, setUp } = endsAs(ready);
    await session.send(message("Go"));
    const entries = await run(session, { setUp });
    assert.deepEqual(typesOf(entries), [
      "session.status_running",
      "agent.tool_use",
      "agent.tool_use",
      "span.environment_setup_start",
      "span.environment_setup_end",
      "tool_started",
      "tool_started",
      "agent.tool_result",
      "agent.tool_result",
      "session.status_idle",
    ]);
    assert.deepEqual(endsOf(entries), [
      {
        environment_setup_start_id: of(entries, "span.environment_setup_start")[0]?.id,
        is_error: false,
        message: null,
      },
    ]);
    await session.send(message("Again"));
    await run(session, { setUp });
    assert.deepEqual(asked, [false]);
    assert.deepEqual(session.ran, ["bash one", "bash two", "bash one", "bash two"]);
  });

  test("not where it asks for nothing, nor for a session whose calls run elsewhere", async () => {
    const { asked, setUp } = endsAs(ready);
    const plain = await testSession(db, once("bash one"));
    await plain.send(message("Go"));
    const { end } = await start(db, plain, { setUp });
    await end;
    assert.deepEqual(plain.ran, ["bash one"]);
    const silent = await testSession(db, once("weather", "write not enabled"));
    await silent.send(message("Go"));
    assert.equal(stopReason(await run(silent, { setUp })), "requires_action");
    assert.deepEqual(asked, []);
  });

  test("once a call that the client was asked about may run", async () => {
    const session = await testSession(db, once("read a file", "bash one"));
    const { asked, setUp, until } = setups();
    await session.send(message("Go"));
    const { end } = await start(db, session, { setUp }, never, factsFor(session));
    (await until(1)).end(ready);
    await end;
    assert.deepEqual(session.ran, ["bash one"]);
    const use = of(await session.entries(), "agent.tool_use")[0]?.id ?? "";
    await session.send({ type: "user.tool_confirmation", tool_use_id: use, result: "allow" });
    await run(session, { setUp });
    assert.deepEqual(session.ran, ["bash one", "read a file"]);
    assert.equal(asked.length, 1);

    const denied = await testSession(db, once("read a file"));
    await denied.send(message("Go"));
    await run(denied, { setUp });
    const asks = of(await denied.entries(), "agent.tool_use")[0]?.id ?? "";
    await denied.send({ type: "user.tool_confirmation", tool_use_id: asks, result: "deny" });
    assert.equal(stopReason(await run(denied, { setUp })), "end_turn");
    assert.equal(asked.length, 1);
  });

  test("while calls run that need no sandbox, also where it fails", async () => {
    for (const result of [ready, failed]) {
      const session = await testSession(db, once("bash one", "web_fetch page"));
      const { setUp, until } = setups();
      const [fetching, fetched] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const changed: Partial<Effects> = {
        setUp,
        async runTool({ name, input }) {
          if (name === "web_fetch") {
            fetching.resolve();
            await fetched.promise;
          }
          session.ran.push(String(input.command));
          return { content: [], is_error: false };
        },
      };
      await session.send(message("Go"));
      const facts = { ...factsFor(session), agent: withTools("bash", "web_fetch") };
      const { end } = await start(db, session, changed, never, facts);
      await fetching.promise;
      (await until(1)).end(result);
      while (endsOf(await session.entries()).length === 0);
      fetched.resolve();
      await end;
      assert.deepEqual(
        session.ran.toSorted(),
        result === ready ? ["bash one", "web_fetch page"] : ["web_fetch page"],
      );
      const entries = await session.entries();
      assert.equal(stopReason(entries), result === ready ? "end_turn" : "retries_exhausted");
      assert.equal(resultsOf(entries).length, 2);
    }
  });

  test("with its progress as text, one line each, and not without end", async () => {
    const session = await testSession(db, once("bash one"));
    const said = ["\u001b[31mred\u001b[0m\u0007 and\nmore\u202e", " \u0000 ", "x".repeat(10_000), "\ud800"];
    const setUp: Effects["setUp"] = async (_, say) => {
      for (const line of said) say(line);
      for (let i = 0; i < limits.setup_lines_max + 50; i += 1) say(`line ${i}`);
      return ready;
    };
    await session.send(message("Go"));
    const entries = await run(session, { setUp });
    const messages = of(entries, "span.environment_setup_ongoing").map(
      (entry) => bodyOf(entry, "span.environment_setup_ongoing").message,
    );
    assert.deepEqual(messages.slice(0, 4), [
      "red  and more",
      "x".repeat(limits.setup_line_chars_max),
      "\ufffd",
      "line 0",
    ]);
    assert.equal(messages.length, limits.setup_lines_max);
    assert.deepEqual(
      endsOf(entries).map(({ is_error }) => is_error),
      [false],
    );
  });

  test("if it names packages or commands", () => {
    assert.equal(needsSetup(cloudDefault), false);
    assert.equal(needsSetup({ ...cloudDefault, setup: ["true"] }), true);
    assert.equal(
      needsSetup({ ...cloudDefault, packages: { ...cloudDefault.packages, pip: ["numpy"] } }),
      true,
    );
  });
});

describe("an environment that cannot be set up", () => {
  test("fails the turn with what the installer said, and is tried again with the next message", async () => {
    const session = await testSession(db, once("bash one", "read a file", "weather", "bash two"));
    const { asked, setUp } = endsAs(failed);
    await session.send(message("Go"));
    const entries = await run(session, { setUp });
    const text = "The environment could not be set up: pip could not install nonsense: no such thing";
    assert.deepEqual(
      endsOf(entries).map(({ message }) => message),
      [text],
    );
    const error = of(entries, "session.error").map((entry) => bodyOf(entry, "session.error").error);
    assert.deepEqual(error, [{ type: "unknown_error", message: text, retry_status: { type: "exhausted" } }]);
    assert.equal(resultsOf(entries).filter((result) => result.includes(text)).length, 3);
    assert.match(resultsOf(entries).at(-1) ?? "", /interrupted before completion/);
    assert.equal(stopReason(entries), "retries_exhausted");
    assert.deepEqual(session.ran, []);
    assert.equal(session.asked.length, 1);

    await session.send(message("Again"));
    const again = await run(session, { setUp });
    assert.equal(asked.length, 2);
    assert.equal(stopReason(again), "retries_exhausted");
    assert.equal(fold(again).threads.values().next().value?.calls.length, 0);
    // The model was asked by the second message alone, and saw why.
    assert.equal(session.asked.length, 2);
    assert.match(JSON.stringify(session.asked[1]?.messages), /no such thing/);
  });

  test("is told to the model where there is no sandbox, and asked for again by its next call", async () => {
    let turns = 0;
    const session = await testSession(db, () => (turns++ < 2 ? calls("bash one") : says("Done.")));
    const results: SetUpResult[] = [{ status: "unavailable", reason: "all hosts are full" }, ready];
    await session.send(message("Go"));
    const entries = await run(session, { setUp: async () => results.shift() ?? assert.fail() });
    assert.deepEqual(
      endsOf(entries).map(({ is_error }) => is_error),
      [true, false],
    );
    assert.match(resultsOf(entries)[0] ?? "", /No sandbox is available: all hosts are full/);
    assert.deepEqual(session.ran, ["bash one"]);
    assert.equal(stopReason(entries), "end_turn");
  });

  test("is bounded in what it says", async () => {
    const session = await testSession(db, once("bash one"));
    await session.send(message("Go"));
    const { setUp } = endsAs({ status: "failed", message: `a\u001b[2J\nb${"x".repeat(100_000)}` });
    const entries = await run(session, { setUp });
    const [end] = endsOf(entries);
    assert.match(end?.message ?? "", /^The environment could not be set up: a\nbxxx/);
    assert.equal(end?.message?.length, limits.setup_failure_chars_max);
  });
});

describe("in the middle of a set-up", () => {
  test("an interrupt ends it, its calls and the turn; the next call asks again", async () => {
    const session = await testSession(db, once("bash one", "weather"));
    const { setUp, until } = setups();
    await session.send(message("Go"));
    const first = await start(db, session, { setUp }, never, factsFor(session));
    await until(1);
    await session.send({ type: "user.interrupt" });
    assert.equal(await first.end, "parked");
    const entries = await session.entries();
    assert.deepEqual(
      endsOf(entries).map(({ is_error }) => is_error),
      [true],
    );
    assert.match(resultsOf(entries)[0] ?? "", /interrupted before completion/);
    assert.equal(stopReason(entries), "end_turn");
    await session.send(message("Go on"));
    const second = await start(db, session, { setUp }, never, factsFor(session));
    (await until(2)).end(ready);
    await second.end;
    assert.deepEqual(session.ran, ["bash one"]);
  });

  test("the brain dies: the next one waits for the same, and an interrupt that came first ends it", async () => {
    for (const interrupted of [false, true]) {
      const session = await testSession(db, once("bash one"));
      const { setUp, asked, until } = setups();
      await session.send(message("Go"));
      const doomed = await start(db, session, { setUp }, never, factsFor(session));
      (await until(1)).say("half of it");
      await untilTold(session);
      await freeLease(db, session.id);
      if (interrupted) await session.send({ type: "user.interrupt" });
      const lease = await session.claim();
      const next = drive(
        factsFor(session),
        lease,
        session.effects(lease, { setUp, ring: () => new Promise((resolve) => setImmediate(resolve)) }),
        never,
      );
      if (!interrupted) (await until(2)).end(ready);
      assert.equal(await next, "parked");
      const entries = await session.entries();
      assert.equal(of(entries, "span.environment_setup_start").length, 1);
      assert.deepEqual(
        endsOf(entries).map(({ is_error }) => is_error),
        [interrupted],
      );
      assert.equal(asked.length, interrupted ? 1 : 2);
      assert.deepEqual(session.ran, interrupted ? [] : ["bash one"]);
      asked[0]?.end(ready);
      assert.equal(await doomed.end, "lost");
    }
  });

  test("the time of the turn runs out", async () => {
    const session = await testSession(db, once("bash one"));
    const { setUp, until } = setups();
    let ahead = 0;
    await session.send(message("Go"));
    const { end } = await start(
      db,
      session,
      { setUp, now: () => Date.now() + ahead },
      never,
      factsFor(session),
    );
    const { say } = await until(1);
    ahead = limits.turn_ms_max;
    say("it goes on");
    await end;
    const entries = await session.entries();
    assert.deepEqual(
      endsOf(entries).map(({ is_error }) => is_error),
      [true],
    );
    assert.equal(stopReason(entries), "retries_exhausted");
  });

  test("the session is forked: the fork has it ended, and its own is to come", async () => {
    const session = await testSession(db, once("bash one"));
    const { setUp } = endsAs(ready);
    await session.send(message("Go"));
    const entries = await run(session, { setUp });
    for (let cut = 0; cut <= entries.length; cut += 1) {
      const id = newId("session");
      const prefix = {
        session_id: session.id,
        mounts_version: 0,
        fold_from: 0,
        entries: entries.slice(0, cut),
        ended_at: new Date().toISOString(),
        take_up_seq: null,
      };
      const parts = { newId: () => newId("event"), spending: testSpending };
      const settled = settle(factsFor({ ...session, id }), prefix, parts);
      const last = settled.entries.at(-1) ?? assert.fail();
      const whole = [
        ...entries.slice(0, cut),
        ...settled.entries.map((entry) => ({ ...entry, session_id: id })),
      ];
      const started = of(whole as Entry[], "span.environment_setup_start").length;
      assert.equal(of(whole as Entry[], "span.environment_setup_end").length, started, `cut at ${cut}`);
      const checkpoint = { ...last, seq: 1_000, session_id: id, created_at: prefix.ended_at };
      const state = fold([checkpoint]);
      assert.equal(state.setup, null, `cut at ${cut}`);
      const left = decide(state, new Set(), Date.now()).actions;
      assert.deepEqual(left, [], `cut at ${cut}`);
    }
  });
});

import assert from "node:assert/strict";
import type { Entry } from "../../log/entry.ts";
import { bodyOf } from "../../log/entry.ts";
import type { ModelRequest } from "../../models/model.ts";
import { isFromClient } from "./client.ts";
import { assertErrors, assertMcp } from "./mcp-rules.ts";
import type { Played } from "./play.ts";
import { asksOf, spent, tokensOf, type Usage } from "./rows.ts";
import { assertWire, isTold } from "./wire.ts";

/** What holds of every log, whatever has happened to its session. */
export function assertRules({ rows: { entries }, forks, ...played }: Played): void {
  assertLog({ entries, ...played });
  assertTurns(entries);
  assertErrors(entries);
  for (const fork of forks) assertForked(fork);
}

/** Where it was cut a turn may have ended before anything had happened in it. */
function assertForked({ rows: { entries }, forks, ...played }: Played): void {
  assertLog({ entries, ...played });
  for (const fork of forks) assertForked(fork);
}

function assertLog({
  entries,
  asked,
  asked_seqs,
  ran,
  begun,
  needs_setup,
  accepted,
}: Omit<Played, "rows" | "forks"> & { entries: Entry[] }) {
  const ids = new Map(
    entries.flatMap((entry) =>
      entry.type === "model_reply" ? Object.entries(bodyOf(entry, "model_reply").call_ids) : [],
    ),
  );
  assertCalls(entries, [...ran, ...[...begun.keys()].map((vendorId) => ids.get(vendorId) ?? vendorId)]);
  assertMcp(entries, { begun, asked, asked_seqs, ids });
  assertSpans(entries);
  assertSetups(entries, needs_setup);
  assertIdles(entries);
  assertTakenUp(entries, accepted);
  assertConversation(entries, asked);
  assertWire(asked);
  assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length, "an id was given twice");
}

const isUse = ({ type }: Entry) =>
  type === "agent.tool_use" || type === "agent.mcp_tool_use" || type === "agent.custom_tool_use";

/** Of a call that this server has run, whether it may be. */
function permissionOf(entry: Entry): string | null {
  if (entry.type === "agent.tool_use") return bodyOf(entry, "agent.tool_use").evaluated_permission;
  if (entry.type !== "agent.mcp_tool_use") return null;
  return bodyOf(entry, "agent.mcp_tool_use").evaluated_permission;
}

/** Of a result, the call that it settles. */
function settled(entry: Entry): string | null {
  if (entry.type === "agent.tool_result") return bodyOf(entry, "agent.tool_result").tool_use_id;
  if (entry.type === "agent.mcp_tool_result") return bodyOf(entry, "agent.mcp_tool_result").mcp_tool_use_id;
  if (entry.type !== "user.custom_tool_result") return null;
  return bodyOf(entry, "user.custom_tool_result").custom_tool_use_id;
}

/** Each call has one result before the turn ends or the model is asked again, and runs once, and only if it may. */
function assertCalls(entries: Entry[], ran: string[]): void {
  const open = new Set<string>();
  const called: string[] = [];
  const mayRun = new Set<string>();
  const ofMcp = new Set<string>();
  for (const entry of entries) {
    const at = `entry ${entry.seq}`;
    if (isUse(entry)) {
      open.add(entry.id);
      called.push(entry.id);
    }
    if (permissionOf(entry) === "allow") mayRun.add(entry.id);
    if (entry.type === "user.tool_confirmation") {
      const { tool_use_id, result } = bodyOf(entry, "user.tool_confirmation");
      if (result === "allow") mayRun.add(tool_use_id);
    }
    if (entry.type === "tool_started") {
      const { tool_use_id } = bodyOf(entry, "tool_started");
      assert.ok(open.has(tool_use_id), `${at}: a call was started that was settled, or never made`);
      assert.ok(mayRun.has(tool_use_id), `${at}: a call was started that may not run`);
    }
    const call = settled(entry);
    if (call !== null) assert.ok(open.delete(call), `${at}: a second result, or one of no call`);
    if (entry.type === "agent.mcp_tool_use") ofMcp.add(entry.id);
    if (call !== null)
      assert.equal(
        entry.type === "agent.mcp_tool_result",
        ofMcp.has(call),
        `${at}: a result of another kind`,
      );
    if (entry.type === "span.model_request_start") {
      assert.deepEqual([...open], [], `${at}: the model was asked while calls were open`);
    }
    if (entry.type === "session.status_idle") {
      const { stop_reason } = bodyOf(entry, "session.status_idle");
      const left = stop_reason.type === "requires_action" ? [] : [...open];
      assert.deepEqual(left, [], `${at}: the turn has ended while calls were open`);
    }
  }
  assert.deepEqual([...open], [], "calls without a result");
  const started = entries.flatMap((entry) =>
    entry.type === "tool_started" ? [bodyOf(entry, "tool_started").tool_use_id] : [],
  );
  const inSandbox = started.filter((id) => !ofMcp.has(id));
  assert.equal(new Set(inSandbox).size, inSandbox.length, "a call was started twice");
  assert.deepEqual(
    ran.filter((id) => !started.includes(id)),
    [],
    "a call ran that the log does not know of",
  );
}

/** Model requests follow each other, and each ends. */
function assertSpans(entries: Entry[]): void {
  let request: string | null = null;
  for (const entry of entries) {
    if (entry.type === "span.model_request_start") {
      assert.equal(request, null, `entry ${entry.seq}: two requests at once`);
      request = entry.id;
    } else if (entry.type === "span.model_request_end") {
      const { model_request_start_id } = bodyOf(entry, "span.model_request_end");
      assert.equal(model_request_start_id, request, `entry ${entry.seq}: the end of another request`);
      request = null;
    } else if (entry.type === "session.status_idle") {
      assert.equal(request, null, `entry ${entry.seq}: idle during a request`);
    }
  }
  assert.equal(request, null, "a request without an end");
}

/** One set-up at a time, each ends; no call begins in the sandbox before one has succeeded, and none after that. */
function assertSetups(entries: Entry[], isNeeded: boolean): void {
  let going: string | null = null;
  let isReady = !isNeeded;
  const elsewhere = new Set<string>();
  for (const entry of entries) {
    const at = `entry ${entry.seq}`;
    if (entry.type === "span.environment_setup_start") {
      assert.equal(going, null, `${at}: two set-ups at once`);
      assert.ok(!isReady, `${at}: it is set up already`);
      going = entry.id;
    } else if (entry.type === "span.environment_setup_ongoing") {
      const { environment_setup_start_id } = bodyOf(entry, "span.environment_setup_ongoing");
      assert.equal(environment_setup_start_id, going, `${at}: progress of another set-up`);
    } else if (entry.type === "span.environment_setup_end") {
      const { environment_setup_start_id, is_error } = bodyOf(entry, "span.environment_setup_end");
      assert.equal(environment_setup_start_id, going, `${at}: the end of another set-up`);
      isReady = !is_error;
      going = null;
    } else if (entry.type === "environment_left") isReady = !isNeeded;
    else if (entry.type === "agent.mcp_tool_use") elsewhere.add(entry.id);
    else if (entry.type === "tool_started") {
      const { tool_use_id } = bodyOf(entry, "tool_started");
      assert.ok(isReady || elsewhere.has(tool_use_id), `${at}: a call begins before the set-up`);
    } else if (entry.type === "session.status_idle") assert.equal(going, null, `${at}: idle during a set-up`);
  }
  assert.equal(going, null, "a set-up without an end");
}

/** A session runs, waits to try again, and is idle, once each; only an idle that asks may be followed by another one. */
function assertTurns(entries: Entry[]): void {
  let status = "idle";
  let asking: string[] | null = null;
  let done = 0;
  let began = 0;
  entries.forEach((entry, i) => {
    const at = `entry ${entry.seq}`;
    if (entry.type === "span.model_request_start" || settled(entry) !== null) done += 1;
    const taken = takenUp(entry, entries);
    // One from before the turn has nothing to do with it.
    if (taken?.type === "user.interrupt" && taken.seq > began) done += 1;
    if (entry.type === "session.status_running") {
      assert.notEqual(status, "running", `${at}: running already`);
      assert.equal(entries[i + 1]?.type, "session.thread_status_running", at);
      if (status === "idle" && asking === null) {
        done = 0;
        began = entry.seq;
      } else if (status === "idle") {
        assert.deepEqual(asksOf(entries.slice(0, i)), [], `${at}: it runs, and waits for answers`);
      }
      status = "running";
      asking = null;
    } else if (entry.type === "session.status_rescheduled") {
      assert.equal(status, "running", at);
      assert.equal(entries[i - 1]?.type, "session.thread_status_rescheduled", at);
      status = "rescheduled";
    } else if (entry.type === "session.status_idle") {
      const { stop_reason } = bodyOf(entry, "session.status_idle");
      const asks = stop_reason.type === "requires_action" ? stop_reason.event_ids : null;
      if (status === "idle") {
        const before = asking ?? assert.fail(`${at}: a turn that has ended has ended again`);
        assert.ok(!asks || asks.length < before.length, `${at}: idle again, and nothing was answered`);
        assert.deepEqual(
          asks?.filter((id) => !before.includes(id)) ?? [],
          [],
          `${at}: something new was asked while idle`,
        );
      }
      assert.ok(done > 0, `${at}: a turn in which nothing happened`);
      status = "idle";
      asking = asks;
    }
  });
  assert.equal(status, "idle", "it does not rest");
  assert.equal(asking, null, "it still asks");
}

/** Usage stands before each idle, and is what was spent so far; what it asks for is all that only a client can bring on. */
function assertIdles(entries: Entry[]): void {
  const waiting = new Set<string>();
  entries.forEach((entry, i) => {
    const at = `entry ${entry.seq}`;
    if (entry.type === "agent.custom_tool_use") waiting.add(entry.id);
    if (permissionOf(entry) === "ask") waiting.add(entry.id);
    const call = settled(entry);
    if (call !== null) waiting.delete(call);
    const taken = takenUp(entry, entries);
    if (taken?.type === "user.tool_confirmation") {
      waiting.delete(bodyOf(taken, "user.tool_confirmation").tool_use_id);
    }
    if (entry.type !== "session.status_idle") return;
    const [thread, usage] = [entries[i - 2], entries[i - 1]];
    assert.equal(usage?.type, "session.usage", `${at}: no usage directly before it`);
    assert.equal(thread?.type, "session.thread_status_idle", `${at}: its thread is not idle before it`);
    const told = bodyOf(usage ?? entry, "session.usage").usage;
    assert.deepEqual(tokensOf(told as Usage), spent(entries.slice(0, i)), `${at}: usage does not add up`);
    const { stop_reason, stop_details } = bodyOf(entry, "session.status_idle");
    const { stop_reason: its, stop_details: details } = bodyOf(thread ?? entry, "session.thread_status_idle");
    assert.deepEqual([its, details], [stop_reason, stop_details], `${at}: the thread ends otherwise`);
    const asks = stop_reason.type === "requires_action" ? stop_reason.event_ids : [];
    assert.deepEqual(asks.toSorted(), [...waiting].toSorted(), `${at}: it does not ask for what is open`);
  });
}

const takenUp = (entry: Entry, entries: Entry[]): Entry | null =>
  entry.type === "promoted" ? (entries[(entry.of_seq ?? 0) - 1] ?? null) : null;

/** Each accepted event is in the log once, in the order sent, and was taken up once if it had to wait. */
function assertTakenUp(entries: Entry[], accepted: Played["accepted"]): void {
  const arrived = entries.filter(isFromClient);
  assert.deepEqual(
    arrived.map(({ id }) => id),
    accepted,
    "the log does not hold what was accepted",
  );
  const queued = arrived.filter(({ audience }) => audience === "queued").map(({ seq }) => seq);
  const taken = entries.flatMap((entry) => (entry.type === "promoted" ? [entry] : []));
  assert.deepEqual(
    taken.map(({ of_seq }) => of_seq ?? 0).toSorted((a, b) => a - b),
    queued,
    "not every event was taken up once",
  );
  for (const { seq, of_seq } of taken) {
    assert.ok((of_seq ?? seq) < seq, `entry ${seq}: taken up before it came`);
  }
}

/**
 * Requests alternate, each extends the one before, and they hold what was said and every result once, in order. After a
 * compaction the user's words may be gone, but no system text.
 */
function assertConversation(entries: Entry[], asked: ModelRequest[]): void {
  let before: string[] = [];
  for (const [n, { messages, purpose }] of asked.entries()) {
    if (purpose !== "summary" && asked[n - 1]?.purpose === "summary") before = [];
    if (isTold({ messages })) continue;
    const at = `request ${n + 1}`;
    const talk = messages.flatMap((message) => (message.role === "system" ? [] : [message]));
    assert.deepEqual(
      talk.map(({ role }) => role),
      talk.map((_, i) => (i % 2 === 0 ? "user" : "assistant")),
      `${at}: roles do not alternate`,
    );
    assert.equal(talk.at(-1)?.role, "user", `${at}: the model has the last word`);
    assert.ok(!messages.some(({ content }) => content.length === 0), `${at}: an empty message`);
    messages.forEach(({ role }, i) => {
      if (role === "system")
        assert.equal(messages[i - 1]?.role, "user", `${at}: system text after no user's`);
    });
    talk.forEach((message, i) => {
      if (message.role !== "assistant") return;
      const uses = message.content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
      const next = talk[i + 1];
      const answer = next?.role === "user" ? next.content : [];
      const results = answer.flatMap((block) => (block.type === "tool_result" ? [block.tool_use_id] : []));
      assert.deepEqual(results.toSorted(), uses.toSorted(), `${at}: calls and results do not match`);
      const first = answer.slice(0, results.length).every(({ type }) => type === "tool_result");
      assert.ok(first, `${at}: something stands before the results`);
    });
    const blocks = talk.flatMap(({ role, content }) =>
      content.map((block) => `${role} ${JSON.stringify(block, leaveOut)}`),
    );
    assert.deepEqual(blocks.slice(0, before.length), before, `${at} does not extend the one before`);
    if (purpose !== "summary") before = blocks;
  }
  const last = asked.at(-1)?.messages ?? [];
  // A fork may begin behind one.
  const isCompacted = entries.some(({ type }) => type === "compaction");
  if (!isCompacted && !asked.some(({ purpose }) => purpose === "summary")) {
    assertHeard(entries, "user.message", textsOf(last, "user"));
  }
  assertHeard(entries, "system.message", textsOf(last, "system"));
}

const textsOf = (messages: ModelRequest["messages"], role: "user" | "system"): string[] =>
  messages
    .filter((message) => message.role === role)
    .flatMap(({ content }) => content.flatMap((block) => (block.type === "text" ? [block.text] : [])))
    .filter((text) => !text.startsWith("["));

/** The model was told what was said, in the order in which it was taken up. */
function assertHeard(entries: Entry[], type: "user.message" | "system.message", heard: string[]): void {
  const said = entries.flatMap((entry) => {
    const taken = takenUp(entry, entries);
    const [first] = taken?.type === type ? bodyOf(taken, type).content : [];
    return first?.type === "text" ? [first.text] : [];
  });
  assert.deepEqual(heard, said.slice(0, heard.length), "the model was told something else than was said");
}

/** A picture is replaced by a word of it when the provider has refused the request. */
const leaveOut = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && "type" in value && value.type === "image"
    ? { type: "text", text: "[The image was left out: the model's provider refused it.]" }
    : value;

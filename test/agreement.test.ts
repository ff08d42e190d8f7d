import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import { freePort } from "./harness/free-port.ts";
import { longTest } from "./harness/long.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import {
  type Facts,
  follow,
  isIdle,
  type ListedEvent,
  listed,
  message,
  newSession,
  prepare,
  type StreamEvent,
  send,
} from "./harness/session.ts";

type Serve = Awaited<ReturnType<Processes["serve"]>>;

let processes: Processes;
let streaming: Serve;
let asked: Serve;
let facts: Facts;

before(async () => {
  processes = await startProcesses();
  await processes.hands();
  [streaming, asked] = await Promise.all([
    processes.serve(await freePort()),
    processes.serve(await freePort()),
  ]);
  facts = await prepare(asked.client);
});
after(() => processes.close());

const statusOf: Record<string, string> = {
  "session.status_running": "running",
  "session.status_idle": "idle",
  "session.status_rescheduled": "rescheduling",
};

/** A status after the newest event that was seen, or after one that came since. */
function statusesSince(events: ListedEvent[], from: number): string[] {
  const statuses = events.map(({ type }) => statusOf[type]);
  const before = statuses.slice(0, from + 1).findLast((status) => status !== undefined) ?? "idle";
  return [before, ...statuses.slice(from + 1).filter((status) => status !== undefined)];
}

const tokensOut = (events: (ListedEvent | StreamEvent)[]) =>
  events.reduce(
    (sum, event) => sum + (event.type === "span.model_request_end" ? event.model_usage.output_tokens : 0),
    0,
  );

/** Whatever the stream has shown so far, another server shows too. */
async function assertAgrees(client: Anthropic, id: string, seen: StreamEvent[]): Promise<void> {
  const session = await client.beta.sessions.retrieve(id);
  const [thread] = (await client.beta.sessions.threads.list(id)).data;
  const list = await listed(client, id);
  const newest = seen.at(-1) ?? assert.fail("nothing was seen");

  const processed = seen.filter((event) => "processed_at" in event && event.processed_at !== null);
  assert.deepEqual(list.slice(0, processed.length), processed, `the list, after ${newest.type}`);
  const queued = seen.flatMap((event) => ("processed_at" in event && !event.processed_at ? [event.id] : []));
  for (const one of queued)
    assert.ok(
      list.some((event) => event.id === one),
      "a queued event is missing",
    );

  const possible = statusesSince(list, processed.length - 1);
  assert.ok(possible.includes(session.status), `${session.status} after ${newest.type}`);
  assert.ok(possible.includes(thread?.status ?? ""), `the thread is ${thread?.status} after ${newest.type}`);
  const told = session.usage?.output_tokens ?? 0;
  assert.ok(told >= tokensOut(processed) && told <= tokensOut(list), `usage after ${newest.type}`);
}

/** Follows a session on one server, and compares with another one upon every event, until it has been idle so often. */
async function compared(id: string, idles: number, more: () => Promise<unknown>): Promise<void> {
  const following = await follow(streaming.client, id);
  const sending = more();
  for (let n = 1; ; n += 1) {
    const seen = await following.until(() => following.events.length >= n, n);
    await assertAgrees(asked.client, id, seen);
    if (seen.filter(isIdle).length === idles) break;
  }
  await sending;
  following.close();
}

const script = "say one moment\nbash echo a\nbash echo b\nthen\nsay done";

test("as soon as an event is on a stream, lists and GETs of another server have it", async () => {
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      const { id } = await newSession(asked.client, facts);
      await compared(id, 2, async () => {
        await send(asked.client, id, message(script));
        // It is heard in the middle of the first turn, or starts one of its own.
        await send(streaming.client, id, { type: "user.interrupt" }, message(script));
      });
    }),
  );
});

longTest("and while a third server that drives some of the sessions is killed", async () => {
  const doomed = await processes.serve(await freePort());
  const sent: Promise<unknown>[] = [];
  const sessions = await Promise.all(Array.from({ length: 6 }, () => newSession(asked.client, facts)));
  const compare = ({ id }: { id: string }) =>
    compared(id, 1, () => {
      const sending = send(doomed.client, id, message(script));
      sent.push(sending);
      return sending;
    });
  const kill = async ({ id }: { id: string }) => {
    const watch = await follow(asked.client, id);
    await watch.until(({ type }) => type === "agent.tool_use");
    await Promise.all(sent);
    await doomed.kill();
    watch.close();
  };
  await Promise.all([...sessions.map(compare), ...sessions.slice(0, 1).map(kill)]);
});

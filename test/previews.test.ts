import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { freePort } from "./harness/free-port.ts";
import { previewNotifications } from "./harness/preview-notifications.ts";
import { startProcesses } from "./harness/processes.ts";
import { startTestServer } from "./harness/server.ts";
import {
  type EventOf,
  type Facts,
  follow,
  isIdle,
  isOf,
  message,
  newSession,
  prepare,
  type StreamEvent,
  send,
  typesOf,
} from "./harness/session.ts";

/** Two servers on one database; either may drive a session. */
const first = await startTestServer();
const second = await startTestServer({ beside: first });
const slow = await prepare(first.client, "simulated/400");
const fast = await prepare(first.client);
after(async () => {
  await second.close();
  await first.close();
});

const both = { event_deltas: ["agent.message" as const, "agent.thinking" as const] };
const isStart = isOf("event_start");
const isDelta = isOf("event_delta");
const isMessage = isOf("agent.message");
const isPreview = (event: StreamEvent) => isStart(event) || isDelta(event);

/** A client on each server, and one that did not ask for previews. */
async function watched(facts: Facts) {
  const { id } = await newSession(first.client, facts);
  const [here, there, plain] = await Promise.all([
    follow(first.client, id, both),
    follow(second.client, id, both),
    follow(first.client, id),
  ]);
  const close = () => {
    for (const following of [here, there, plain]) following.close();
  };
  return { id, here, there, plain, close };
}

/** What the deltas make of each event, by its id and block. */
function previewed(events: StreamEvent[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const event of events.filter(isDelta)) {
    assert.equal(event.delta.type, "content_delta");
    const key = `${event.event_id} ${event.delta.index ?? 0}`;
    texts.set(key, (texts.get(key) ?? "") + event.delta.content.text);
  }
  return texts;
}

/** Start, deltas and the event itself share an id, in this order, and the deltas are a prefix of its text. */
function assertPreviews(events: StreamEvent[]): void {
  const started = new Set<string>();
  const complete = new Set<string>();
  for (const event of events) {
    if (isStart(event)) {
      assert.ok(!started.has(event.event.id), "started twice");
      assert.ok(!complete.has(event.event.id), "started after the event");
      started.add(event.event.id);
    } else if (isDelta(event)) {
      assert.ok(started.has(event.event_id), "a delta of what was not started");
      assert.ok(!complete.has(event.event_id), "a delta after the event");
    } else if (isMessage(event) || event.type === "agent.thinking") complete.add(event.id);
  }
  for (const event of events.filter(isMessage)) {
    event.content.forEach((block, i) => {
      const text = previewed(events).get(`${event.id} ${i}`) ?? "";
      assert.ok(block.type === "text" && block.text.startsWith(text), `${text} is no prefix`);
    });
  }
}

const sentence = "The quick 😀 brown fox jumps over the lazy 🐕 dog, again and again. ".repeat(4).trim();

describe("previews", () => {
  test("reach the streams that asked for them, on both servers, and no other", async () => {
    const { id, here, there, plain, close } = await watched(slow);
    await send(second.client, id, message(`think hm\nsay ${sentence}`));
    for (const following of [here, there]) {
      const events = await following.until(isIdle);
      assertPreviews(events);
      const [said] = events.filter(isMessage);
      assert.ok((previewed(events).get(`${said?.id} 0`) ?? "").length > 0, "nothing was previewed");
      const thought = events.find(isOf("agent.thinking"));
      assert.ok(events.some((event) => isStart(event) && event.event.id === thought?.id));
      assert.ok(!events.some((event) => isDelta(event) && event.event_id === thought?.id));
    }
    assert.deepEqual((await plain.until(isIdle)).filter(isPreview), []);
    close();
  });

  test("of several messages around calls each carry the id of their own", async () => {
    const { id, here, there, close } = await watched(slow);
    await send(
      first.client,
      id,
      message(`say ${sentence}\nbash true\nsay ${sentence}\nthen\nsay ${sentence}`),
    );
    for (const following of [here, there]) {
      const events = await following.until(isIdle);
      assertPreviews(events);
      const said = events.filter(isMessage).map((event) => event.id);
      assert.equal(said.length, 3);
      const starts = events.filter(isStart).map((event) => event.event.id);
      assert.deepEqual(starts, said);
    }
    close();
  });

  test("are of the types asked for alone", async () => {
    const { id } = await newSession(first.client, slow);
    const following = await follow(second.client, id, { event_deltas: ["agent.thinking"] });
    await send(first.client, id, message("think hm\nsay hello to all of you"));
    const events = await following.until(isIdle);
    assert.deepEqual(
      events.filter(isPreview).map((event) => event.type),
      ["event_start"],
    );
    following.close();
  });

  test("are on the thread's stream as on the session's", async () => {
    const { id } = await newSession(first.client, slow);
    const [thread] = (await first.client.beta.sessions.threads.list(id)).data;
    const stream = await second.client.beta.sessions.threads.events.stream(thread?.id ?? "", {
      session_id: id,
      ...both,
    });
    await send(first.client, id, message(`say ${sentence}`));
    const events: StreamEvent[] = [];
    for await (const event of stream) {
      events.push(event as StreamEvent);
      if (event.type === "session.thread_status_idle") break;
    }
    assertPreviews(events);
    assert.ok(events.some(isDelta));
  });

  test("are not for a stream that was opened in the middle of the event", async () => {
    const { id, here, close } = await watched(slow);
    await send(first.client, id, message(`say ${sentence}\nthen`));
    await here.until(isDelta);
    const late = await follow(second.client, id, both);
    const events = await late.until(isIdle);
    const [said] = events.filter(isMessage);
    assert.ok(said, typesOf(events).join(", "));
    assert.deepEqual(
      events.filter((event) => isDelta(event) && event.event_id === said.id),
      [],
    );
    late.close();
    close();
  });

  test("of an interrupted answer are closed by the end of its request, and never become an event", async () => {
    const { id, here, there, close } = await watched(slow);
    await send(first.client, id, message(`say ${sentence}\nhang`));
    await Promise.all([here.until(isDelta), there.until(isDelta)]);
    await send(second.client, id, { type: "user.interrupt" }, message(`say ${sentence}`));
    for (const following of [here, there]) {
      const events = await following.until(isIdle, 2);
      assertPreviews(events);
      const over = events.findIndex(isOf("span.model_request_end"));
      const [dropped] = events.filter(isStart).map((event) => event.event.id);
      assert.ok(!events.some((event) => isMessage(event) && event.id === dropped));
      const after = events.slice(over).filter(isDelta);
      assert.ok(!after.some((event) => event.event_id === dropped), "a delta after the end");
    }
    close();
  });

  test("of an answer that fails and is tried again belong to no event; the next try has ids of its own", async () => {
    const { id, here, there, close } = await watched(slow);
    await send(first.client, id, message(`say ${sentence}\nfail overloaded 1\nsay that was it`));
    for (const following of [here, there]) {
      const events = await following.until(isIdle);
      assertPreviews(events);
      const starts = events.filter(isStart).map((event: EventOf<"event_start">) => event.event.id);
      const said = events.filter(isMessage).map((event) => event.id);
      assert.equal(starts.length, 2);
      assert.deepEqual(starts.slice(1), said);
    }
    close();
  });

  test("of a refused answer carry the id of what was shown of it", async () => {
    const { id, here, close } = await watched(slow);
    await send(first.client, id, message(`say ${sentence}\nrefuse bio no`));
    const events = await here.until(isIdle);
    assertPreviews(events);
    assert.deepEqual(
      events.filter(isStart).map((event) => event.event.id),
      events.filter(isMessage).map((event) => event.id),
    );
    close();
  });

  test("of a fast answer are complete or cut short, and never have a hole", async () => {
    const { id, here, there, close } = await watched(fast);
    const turns = 10;
    const long = sentence.repeat(100);
    for (let n = 1; n <= turns; n += 1) {
      await send(n % 2 === 0 ? first.client : second.client, id, message(`say ${long}`));
      await Promise.all([here.until(isIdle, n), there.until(isIdle, n)]);
    }
    assertPreviews(here.events);
    assertPreviews(there.events);
    close();
  });
});

test("of a server that is killed belong to no event, and the next one's are whole", async () => {
  const processes = await startProcesses();
  try {
    await processes.hands();
    const doomed = await processes.serve(await freePort());
    const [owner] = await processes.db.query<{ id: number }>(
      { name: "test_owner", text: "select id from process" },
      [],
    );
    const survivor = await processes.serve(await freePort());
    const facts = await prepare(survivor.client, "simulated/400");
    const sessions: Awaited<ReturnType<typeof follow>>[] = [];
    // Which of the two takes one is for them to say.
    for (let isDriven = false; !isDriven; ) {
      const { id } = await newSession(doomed.client, facts);
      const following = await follow(survivor.client, id, both);
      await send(doomed.client, id, message(`say ${sentence.repeat(3)}`));
      await following.until(isDelta);
      sessions.push(following);
      const of = {
        name: "test_driven",
        text: "select 1 from session_head where session_id = $1 and lease_owner = $2",
      };
      isDriven = (await processes.db.query(of, [id, owner?.id])).length > 0;
    }
    await doomed.kill();
    let abandoned = 0;
    for (const following of sessions) {
      const events = await following.until(isIdle);
      assertPreviews(events);
      const said = events.filter(isMessage).map((event) => event.id);
      const starts = events.filter(isStart).map((event) => event.event.id);
      const ends = events.filter(isOf("span.model_request_end"));
      assert.deepEqual(starts.slice(ends.length - 1), said);
      abandoned += ends.length - 1;
      following.close();
    }
    assert.ok(abandoned > 0, "the server that was killed drove none of them");
  } finally {
    await processes.close();
  }
});

test("of a server that has just begun, or was cut off, are there from its first answer on", async () => {
  const processes = await startProcesses();
  const notified = await previewNotifications(processes.db);
  try {
    await processes.hands();
    const api = await processes.serve(await freePort(), "--roles", "api");
    const facts = await prepare(api.client, "simulated/400");
    const sessions = await Promise.all(
      ["one", "another", "a third"].map(async () => {
        const { id } = await newSession(api.client, facts);
        return { id, following: await follow(api.client, id, both) };
      }),
    );
    /** Whoever wants several at once has been asked. */
    const answered = (n: number) =>
      notified.until("an answer to who asked", (heard) => {
        const asked = heard.flatMap((payload, i) => (/^\d+ ask$/.test(payload) ? [i] : []))[n - 1];
        if (asked === undefined) return;
        return heard.slice(asked).find((payload) => sessions.every(({ id }) => payload.includes(id)));
      });
    const previewedTurns = (n: number) =>
      Promise.all(
        sessions.map(async ({ id, following }) => {
          await send(api.client, id, message(`say ${sentence}`));
          const events = await following.until(isIdle, n);
          assertPreviews(events);
          const said = events.filter(isMessage).map((event) => event.id);
          assert.deepEqual(
            events.filter(isStart).map(({ event }) => event.id),
            said,
          );
        }),
      );

    await processes.serve(await freePort(), "--roles", "brain");
    await answered(1);
    await previewedTurns(1);

    const text = `select pg_terminate_backend(pid) from pg_locks join process on objid = id
      where locktype = 'advisory' and roles = '{brain}'`;
    assert.equal((await processes.db.query({ name: "test_cut", text }, [])).length, 1);
    await answered(2);
    await previewedTurns(2);
    for (const { following } of sessions) following.close();
  } finally {
    await notified.end();
    await processes.close();
  }
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { NotFoundError } from "@anthropic-ai/sdk";
import { limits } from "../src/limits.ts";
import { png } from "../src/protocol/testing-images.ts";
import { isLong } from "./harness/long.ts";
import {
  type Frame,
  framesOf,
  isIdleFrame,
  openRawStream,
  type RawStreamOptions,
  withoutPings,
} from "./harness/raw-stream.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import { startTestServer } from "./harness/server.ts";
import {
  follow,
  isIdle,
  isOf,
  listed,
  message,
  newSession,
  prepare,
  saidIn,
  send,
  turn,
  typesOf,
} from "./harness/session.ts";

const api = await startTestServer();
const other = await startTestServer({ beside: api });
const facts = await prepare(api.client);
after(async () => {
  await other.close();
  await api.close();
});

const session = async () => (await newSession(api.client, facts)).id;
const open = (id: string, options?: RawStreamOptions, server = api) => openRawStream(server.url, id, options);
const toolTurn = "say I look around\nbash echo one\nbash echo two\nthen\nsay done";

/** Everything the stream has for a session whose turn is over. */
async function whole(id: string): Promise<{ frames: Frame[]; bytes: Buffer }> {
  const stream = await open(id, { after: "0" });
  await stream.until(isIdleFrame);
  stream.close();
  return { frames: withoutPings(stream.frames), bytes: stream.bytes() };
}

describe("frames", () => {
  test("are named by their type, and carry cursors that only rise", async () => {
    const id = await session();
    const stream = await open(id);
    assert.equal(stream.status, 200);
    assert.match(stream.headers["content-type"] ?? "", /^text\/event-stream/);
    assert.match(String(stream.headers["request-id"]), /^req_/);
    await send(api.client, id, message(toolTurn));
    const frames = withoutPings(await stream.until(isIdleFrame));
    stream.close();
    for (const { event, data } of frames) assert.equal(event, data.type);
    const seqs = frames.map((frame) => Number(frame.id?.split("-")[1]));
    assert.deepEqual(
      seqs,
      [...new Set(seqs)].toSorted((a, b) => a - b),
    );
    assert.equal(new Set(frames.map((frame) => frame.id?.split("-")[0])).size, 1);
    // A client's event comes twice: as it arrived, and where it was taken up.
    const twice = frames.filter(({ event }) => event === "user.message").map(({ data }) => data);
    assert.equal(twice.length, 2);
    assert.equal(twice[0]?.id, twice[1]?.id);
    assert.equal(twice[0]?.processed_at, null);
    assert.ok(twice[1]?.processed_at);
    const once = frames.filter(({ data }) => data.processed_at !== null).map(({ data }) => data);
    assert.deepEqual(once, await listed(api.client, id));
    assert.deepEqual((await whole(id)).frames, frames, "a replay is the same as what was live");
  });

  test("a silent stream is kept alive by pings that the SDK does not show", async () => {
    const id = await session();
    const [raw, sdk] = [await open(id), await follow(api.client, id)];
    assert.ok(limits.stream_ping_ms <= 15_000);
    const [ping] = await raw.until(({ event }) => event === "ping");
    assert.equal(ping?.id, null);
    await send(api.client, id, message("say hi"));
    const events = await sdk.until(isIdle);
    assert.ok(!typesOf(events).some((type) => String(type) === "ping"));
    raw.close();
    sdk.close();
  });
});

describe("a cursor", () => {
  test("goes on without a gap or a repeat, wherever the bytes of a tool turn are cut", async () => {
    const id = await session();
    await turn(api.client, id, toolTurn);
    const { frames, bytes } = await whole(id);
    const rests = new Map<string, Frame[]>();
    // Shorter than any frame, so that each of them is cut.
    const stride = isLong ? 1 : 19;
    for (let at = 0; at < bytes.length + stride; at += stride) {
      const cut = Math.min(at, bytes.length);
      const got = framesOf(bytes.subarray(0, cut));
      const cursor = got.at(-1)?.id ?? "0";
      if (!rests.has(cursor)) {
        const rest = await open(id, rests.size % 2 === 0 ? { after: cursor } : { last_event_id: cursor });
        if (cursor !== frames.at(-1)?.id) await rest.until(isIdleFrame);
        rest.close();
        rests.set(cursor, withoutPings(rest.frames));
      }
      assert.deepEqual([...got, ...(rests.get(cursor) ?? [])], frames);
    }
    assert.equal(rests.size, frames.length + 1);
  });

  test("goes on with what is still to come, over connections that break every few bytes of a live turn", async () => {
    for (const every of isLong ? [97, 311, 1_024] : [311]) {
      const id = await session();
      const got: Frame[] = [];
      let bytes = every;
      await send(api.client, id, message(toolTurn));
      while (!got.some(isIdleFrame)) {
        const last_event_id = got.at(-1)?.id ?? "0";
        const server = bytes % 2 === 0 ? api : other;
        const stream = await open(id, { last_event_id, cut_after_bytes: bytes }, server);
        await stream.until(isIdleFrame).catch(() => stream.ended);
        stream.close();
        const frames = withoutPings(stream.frames);
        got.push(...frames);
        // A cut within the very first frame gets nowhere: the next connection lives longer.
        bytes = frames.length === 0 ? bytes + every : every;
      }
      assert.deepEqual(got, (await whole(id)).frames);
    }
  });

  test("wins over the query when both are given", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const { frames } = await whole(id);
    const [, second] = frames;
    const stream = await open(id, { after: "0", last_event_id: second?.id ?? "" });
    await stream.until(isIdleFrame);
    assert.deepEqual(withoutPings(stream.frames), frames.slice(2));
    stream.close();
  });

  test("that is empty is none", async () => {
    const id = await session();
    const stream = await open(id, { after: "", last_event_id: "" });
    assert.equal(stream.status, 200);
    stream.close();
  });

  test("that is bad, of another log or ahead of the head is refused", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const newest = (await whole(id)).frames.at(-1)?.id ?? "";
    const [log, seq] = newest.split("-");
    const bad = [
      "x",
      "1",
      "-1",
      `${log}`,
      `${log}-`,
      `${log}--1`,
      `${log}-1.5`,
      `${log}-99999999999999999999`,
      `${log}-${Number(seq) + 1}`,
      `000000000000-${seq}`,
      `${log}-${seq} `.padEnd(200, "0"),
      "sevt_01abc",
      "0x0",
      "\u00e9",
    ];
    for (const cursor of bad) {
      const options = [{ after: cursor }, ...(cursor === cursor.trim() ? [{ last_event_id: cursor }] : [])];
      for (const option of options) {
        const stream = await open(id, option);
        stream.close();
        assert.equal(stream.status, 400, JSON.stringify(option));
      }
    }
    const fine = await open(id, { after: newest });
    assert.equal(fine.status, 200);
    fine.close();
  });
});

describe("a stream without a cursor", () => {
  test("that opens late on a session nobody has looked at starts with its first turn", async () => {
    const id = await session();
    const sent = await send(api.client, id, message("say early"));
    await api.client.beta.sessions.retrieve(id);
    const stream = await open(id);
    const frames = withoutPings(await stream.until(isIdleFrame));
    stream.close();
    assert.equal(frames[0]?.data.id, sent.data?.[0]?.id);
    assert.deepEqual(frames, (await whole(id)).frames);
  });

  test("starts with the first turn of a session with initial events too", async () => {
    const { id } = await api.client.beta.sessions.create({
      agent: facts.agent_id,
      environment_id: facts.environment_id,
      initial_events: [{ type: "user.message", content: [{ type: "text", text: "say early" }] }],
    });
    const stream = await open(id);
    const frames = withoutPings(await stream.until(isIdleFrame));
    stream.close();
    assert.equal(frames[0]?.event, "user.message");
  });

  /** What a stream that opens now shows first, when another message follows. */
  async function firstOfNext(id: string): Promise<string | undefined> {
    const stream = await open(id);
    const sent = await send(api.client, id, message("say next"));
    const frames = withoutPings(await stream.until(isIdleFrame));
    stream.close();
    assert.equal(saidIn(frames.map(({ data }) => data) as never), "next");
    assert.equal(frames[0]?.data.id, sent.data?.[0]?.id);
    return frames[0]?.event;
  }

  test("is live only once somebody has listed the session's events", async () => {
    const id = await session();
    await send(api.client, id, message("say early"));
    while (!(await listed(api.client, id)).some(isIdle));
    assert.equal(await firstOfNext(id), "user.message");
  });

  test("is live only once somebody has streamed the session's events, on whatever server", async () => {
    const id = await session();
    const seen = await open(id, {}, other);
    await send(api.client, id, message("say early"));
    await seen.until(isIdleFrame);
    seen.close();
    assert.equal(await firstOfNext(id), "user.message");
  });

  test("starts with the first turn though streams that were refused have asked before", async () => {
    const id = await session();
    const sent = await send(api.client, id, message("say early"));
    const refused = [
      await open(id, { after: "nonsense" }),
      await open(id, { path: `/v1/sessions/${id}/threads/sthr_01x/stream` }),
    ];
    for (const stream of refused) stream.close();
    assert.deepEqual(
      refused.map(({ status }) => status),
      [400, 404],
    );
    await assert.rejects(api.client.beta.sessions.threads.events.list("sthr_01x", { session_id: id }));
    const stream = await open(id);
    const frames = await stream.until(isIdleFrame);
    stream.close();
    assert.equal(frames[0]?.data.id, sent.data?.[0]?.id);
  });

  test("is live only when the first turn began too long ago", async () => {
    const id = await session();
    await send(api.client, id, message("say early"));
    while ((await api.client.beta.sessions.retrieve(id)).status !== "idle");
    await api.db.query(
      {
        name: "age",
        text: "update session_head set first_turn_at = first_turn_at - $2 * interval '1 millisecond' where session_id = $1",
      },
      [id, limits.first_turn_grace_ms],
    );
    assert.equal(await firstOfNext(id), "user.message");
  });
});

describe("open, list, dedupe", () => {
  test("sees every event once and in order, across forced disconnects and two servers", async () => {
    const id = await session();
    const clients = [reconnecting(api.client, id), reconnecting(other.client, id)];
    const turns = 6;
    for (let i = 0; i < turns; i += 1) {
      await send((i % 2 === 0 ? api : other).client, id, message(toolTurn));
      for (const client of clients) {
        client.cut();
        await client.until(({ type }) => type === "agent.tool_use", i * 2 + 1);
        client.cut();
        await client.until(({ type }) => type === "agent.message", i * 2 + 2);
        client.cut();
      }
      for (const client of clients) await client.until(isIdle, i + 1);
    }
    const list = await listed(api.client, id);
    for (const client of clients) {
      await client.close();
      assert.deepEqual(client.seen, list);
      assert.ok(client.connections() > 1);
    }
  });

  test("sees messages in order that are taken up while it walks through the pages of the list", async () => {
    const id = await session();
    const following = await follow(api.client, id);
    await send(api.client, id, message("hang"));
    await following.until(isOf("span.model_request_start"));
    for (let i = 0; i < 5; i += 1) await send(api.client, id, message(`say ${i}`));
    let walked = false;
    const client = api.client.withOptions({
      async fetch(url, init) {
        if (String(url).includes("page=") && !walked) {
          walked = true;
          await send(api.client, id, { type: "user.interrupt" });
          await following.until(isIdle, 2);
        }
        return fetch(url, init);
      },
    });
    const careful = reconnecting(client, id);
    await careful.until(isIdle, 2);
    following.close();
    await careful.close();
    assert.ok(walked);
    assert.deepEqual(careful.seen, await listed(api.client, id));
  });
});

describe("the end of a session", () => {
  test("deleted, it is the last event of every stream, on every server", async () => {
    const id = await session();
    const streams = [await open(id), await open(id, { after: "0" }), await open(id, {}, other)];
    await api.client.beta.sessions.delete(id);
    for (const stream of streams) {
      await stream.ended;
      const last = withoutPings(stream.frames).at(-1);
      assert.equal(last?.event, "session.deleted");
      assert.equal(stream.response.complete, true);
    }
    assert.equal((await open(id)).status, 404);
  });

  test("deleted, it leaves no event, not even one appended while the delete waited", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const appending = await api.db.connect();
    await appending.query("begin");
    await appending.query("update session_head set seq = seq + 1 where session_id = $1", [id]);
    await appending.query(
      `insert into event select workspace_id, session_id, seq + 1, 'sevt_01late', thread_id, audience, type, null, body,
        created_at from event where session_id = $1 order by seq desc limit 1`,
      [id],
    );
    const deleting = api.client.beta.sessions.delete(id);
    const waiting = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%delete from session_head%'`;
    while ((await api.db.query({ name: "waiting_for_a_lock", text: waiting }, [])).length === 0);
    await appending.query("commit");
    await appending.end();
    await deleting;
    const left = { name: "events_left", text: "select id from event where session_id = $1" };
    while ((await api.db.query(left, [id])).length > 0) await pause(20);
    await assert.rejects(listed(api.client, id), NotFoundError);
  });

  test("that is gone is not found by a list, whatever events remain", async () => {
    const id = await session();
    await turn(api.client, id, "say hi");
    const tables = ["session_head", "session"];
    for (const table of tables) {
      const key = table === "session" ? "id" : "session_id";
      await api.db.query({ name: `drop_${table}`, text: `delete from ${table} where ${key} = $1` }, [id]);
    }
    await assert.rejects(listed(api.client, id), NotFoundError);
  });

  test("archived, its streams end with session.status_terminated, and it can still be replayed", async () => {
    const id = await session();
    const streams = [await open(id), await open(id, {}, other)];
    await turn(api.client, id, "say hi");
    await api.client.beta.sessions.archive(id);
    for (const stream of streams) {
      await stream.ended;
      assert.equal(stream.frames.at(-1)?.event, "session.status_terminated");
    }
    const replay = await open(id, { after: "0" });
    await replay.ended;
    assert.deepEqual(withoutPings(replay.frames), withoutPings(streams[0]?.frames ?? []));
    const last = replay.frames.at(-1)?.id ?? "";
    for (const options of [{}, { after: last }]) {
      const late = await open(id, options);
      await late.ended;
      assert.deepEqual(withoutPings(late.frames), []);
      assert.equal(late.response.complete, true);
    }
  });
});

describe("many readers", () => {
  test("of two servers all see the same", async () => {
    const id = await session();
    const streams = await Promise.all(
      Array.from({ length: 60 }, (_, i) => open(id, {}, i % 2 === 0 ? api : other)),
    );
    await send(api.client, id, message(toolTurn));
    const all = await Promise.all(
      streams.map(async (stream) => withoutPings(await stream.until(isIdleFrame))),
    );
    for (const stream of streams) stream.close();
    const { frames } = await whole(id);
    for (const seen of all) assert.deepEqual(seen, frames);
  });

  test("get events that are larger than any buffer, live", async () => {
    const id = await session();
    const streams = await Promise.all([open(id), open(id, {}, other), follow(api.client, id)]);
    const data = png(64, 64, 6 << 20);
    await send(api.client, id, {
      type: "user.message",
      content: [
        { type: "image", source: { type: "base64", media_type: "image/png", data } },
        { type: "text", text: `say ${"z".repeat(2 << 20)}` },
      ],
    });
    const [raw, far, sdk] = streams;
    const events = await sdk.until(isIdle);
    const [frames] = await Promise.all([raw.until(isIdleFrame), far.until(isIdleFrame)]);
    assert.deepEqual(
      withoutPings(frames).map(({ data: event }) => event),
      JSON.parse(JSON.stringify(events)),
    );
    for (const stream of streams) stream.close();
  });

  test("one that does not read is cut off at a limit, and nobody else notices", async () => {
    const id = await session();
    const stalled = await open(id, { paused: true });
    const following = await follow(api.client, id);
    // More than the limit and what the kernel keeps for a connection. A text is in the log three times.
    const text = `say ${"x".repeat(4 << 20)}`;
    const turns = 6;
    for (let i = 1; i <= turns; i += 1) {
      await send(api.client, id, message(text));
      await following.until(isIdle, i);
    }
    following.close();
    let received = 0;
    stalled.response.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    await stalled.ended;
    assert.equal(stalled.response.complete, false, "it was cut off, not ended");
    assert.ok(received < limits.stream_backlog_bytes_max, `${received} bytes were kept for it`);
    // It comes back with its cursor and misses nothing: that is what the other tests show.
    assert.equal(
      (await turn(api.client, id, "say alive")).findLast(isOf("agent.message")) !== undefined,
      true,
    );
  });

  test("one that replays a long log slowly gets it whole", async () => {
    const id = await session();
    const text = `say ${"y".repeat(300_000)}`;
    for (let i = 0; i < 5; i += 1) await turn(api.client, id, text);
    await api.client.beta.sessions.archive(id);
    const slow = await open(id, { after: "0", paused: true });
    const chunks: Buffer[] = [];
    for await (const chunk of slow.response) {
      chunks.push(chunk);
      // One chunk a tick: slower than the server can write.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const frames = withoutPings(framesOf(Buffer.concat(chunks)));
    const seqs = frames.map((frame) => Number(frame.id?.split("-")[1]));
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
    assert.equal(frames.filter(({ event }) => event === "agent.message").length, 5);
    assert.equal(frames.at(-1)?.event, "session.status_terminated");
  });
});

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { livingProcess, testSession } from "../brain/testing.ts";
import { openDatabase } from "../db/database.ts";
import { testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import { newId } from "../protocol/ids.ts";
import { type AppendEntry, type AppendRequest, append } from "./append.ts";
import { draft, type Entry } from "./entry.ts";
import { createLog } from "./group-commit.ts";
import { claim, reap } from "./lease.ts";
import { joinMembers } from "./member.ts";
import { readAll } from "./read.ts";
import { createWatches } from "./watch.ts";

const db = await testDatabase();
after(() => db.close());

const newSession = async () => (await testSession(db, () => [])).id;

const said = (text: string): AppendEntry =>
  draft(
    "agent.message",
    { id: newId("event"), thread_id: "sthr_t", audience: "session" },
    { content: [{ type: "text", text }] },
  );

const request = (session_id: string, ...entries: AppendEntry[]): AppendRequest => ({
  workspace_id: "w",
  session_id,
  entries,
});

const texts = (entries: Entry[]) => entries.map((entry) => JSON.stringify(entry.body));

/** Every seq once and in order, and no time before the one it follows. */
function assertWhole(entries: Entry[], count: number): void {
  assert.deepEqual(
    entries.map((entry) => entry.seq),
    Array.from({ length: count }, (_, i) => i + 1),
  );
  const times = entries.map((entry) => entry.created_at);
  assert.deepEqual(times, times.toSorted());
}

describe("append", () => {
  test("keeps NUL bytes, lone surrogates and key order", async () => {
    const id = await newSession();
    const odd = { content: [{ type: "text", text: "\u0000 \ud800 \u001b[31m" }], z: 1, a: 2, "10": 3 };
    const entry: AppendEntry = { ...said(""), body: odd };
    await append(db, [request(id, entry)], 0);
    const [read] = await readAll(db, id, 0);
    assert.equal(JSON.stringify(read?.body), JSON.stringify(odd));
  });

  test("answers each request by itself: a refused one harms no neighbour", async () => {
    const [good, fenced] = [await newSession(), await newSession()];
    const results = await append(
      db,
      [
        request(good, said("yes")),
        { ...request(fenced, said("no")), lease: { owner: 1, epoch: 9 } },
        request("sesn_unknown", said("no")),
        { ...request(await newSession(), said("no")), if_seq: 5 },
      ],
      0,
    );
    assert.deepEqual(
      results.map((result) => result.verdict),
      ["accepted", "stale_epoch", "not_found", "behind"],
    );
    assert.equal((await readAll(db, good, 0)).length, 1);
    assert.equal((await readAll(db, fenced, 0)).length, 0);
  });

  test("does not cross workspaces", async () => {
    const id = await newSession();
    const [result] = await append(db, [{ ...request(id, said("no")), workspace_id: "other" }], 0);
    assert.equal(result?.verdict, "not_found");
  });

  test("of two processes with overlapping batches neither deadlocks nor leaves a gap", async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, newSession));
    const other = openDatabase({ url: db.url });
    const write = async (pool: typeof db | typeof other) => {
      for (let round = 0; round < 60; round += 1) {
        const shuffled = ids.toSorted(() => Math.random() - 0.5).slice(0, 8);
        await append(
          pool,
          shuffled.map((id) => request(id, said(`${round}`))),
          0,
        );
      }
    };
    try {
      await Promise.all([write(db), write(db), write(other), write(other)]);
    } finally {
      await other.close();
    }
    let total = 0;
    for (const id of ids) {
      const entries = await readAll(db, id, 0);
      assertWhole(entries, entries.length);
      total += entries.length;
    }
    assert.equal(total, 4 * 60 * 8);
  });
});

describe("group commit", () => {
  test("writes many at once, each session's in the order they were made", async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, newSession));
    const heard = new Map<string, Entry[]>(ids.map((id) => [id, []]));
    const log = createLog({
      db,
      from: () => 0,
      onCommitted: ({ session_id }, { entries }) => heard.get(session_id)?.push(...entries),
    });
    const before = db.statementCount();
    await Promise.all(
      Array.from({ length: 400 }, (_, i) => log.append(request(ids[i % ids.length] ?? "", said(`${i}`)))),
    );
    assert.ok(db.statementCount() - before <= 60, "they were written one by one");
    for (const id of ids) {
      const entries = await readAll(db, id, 0);
      assertWhole(entries, 50);
      assert.deepEqual(texts(heard.get(id) ?? []), texts(entries));
      assert.deepEqual(
        entries.map((entry) => entry.created_at),
        heard.get(id)?.map((entry) => entry.created_at),
      );
    }
  });

  test("saves the neighbours of a request that cannot be written", async () => {
    const ids = await Promise.all(Array.from({ length: 3 }, newSession));
    const log = createLog({ db, from: () => 0, onCommitted() {} });
    const poison = { ...said("x"), audience: "nobody" } as unknown as AppendEntry;
    const results = await Promise.allSettled(
      ids.map((id, i) => log.append(request(id, i === 1 ? poison : said("fine")))),
    );
    assert.deepEqual(
      results.map((result) => result.status),
      ["fulfilled", "rejected", "fulfilled"],
    );
  });
});

describe("a watch", () => {
  test("gives every entry once and in order, whoever commits and whatever notifications are lost", async () => {
    const id = await newSession();
    const other = openDatabase({ url: db.url });
    const watches = createWatches(db);
    const mine = createLog({
      db,
      from: () => 1,
      onCommitted: (_, { entries }) => watches.committed(id, entries),
    });
    const theirs = createLog({
      db: other,
      from: () => 2,
      // Every second notification is lost.
      onCommitted: (_, { head_seq }) => head_seq % 2 === 0 && watches.moved(id, head_seq),
    });
    const total = 600;
    const read = async () => {
      const watch = watches.watch(id);
      const seen: Entry[] = [];
      const stop = new AbortController();
      while (seen.length < total) {
        const entries = await watch.after(seen.at(-1)?.seq ?? 0);
        assert.ok(entries !== "gone");
        if (entries.length === 0) await watch.ring(seen.at(-1)?.seq ?? 0, stop.signal);
        seen.push(...entries);
      }
      watch.close();
      return seen;
    };
    const polling = setInterval(() => watches.poll(), 20);
    try {
      const readers = [read(), read(), read()];
      for (let i = 0; i < total / 2; i += 1) {
        await Promise.all([
          mine.append(request(id, said(`m${i}`))),
          theirs.append(request(id, said(`t${i}`))),
        ]);
      }
      for (const seen of await Promise.all(readers)) assertWhole(seen, total);
    } finally {
      clearInterval(polling);
      await other.close();
    }
  });

  test("says when its session was deleted", async () => {
    const watches = createWatches(db);
    const watch = watches.watch("sesn_never");
    assert.deepEqual(await watch.after(0), []);
    const rung = watch.ring(0, new AbortController().signal);
    await watches.poll();
    await rung;
    assert.equal(await watch.after(0), "gone");
  });
});

describe("leases", () => {
  const runnable = async () => {
    const id = await newSession();
    await append(db, [{ ...request(id, said("go")), run: { type: "wake" } }], 0);
    return id;
  };

  test("give a session to one claimer only", async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, runnable));
    await Promise.all([1, 2, 3, 4].map((owner) => livingProcess(db, owner)));
    const claims = await Promise.all([1, 2, 3, 4].map((owner) => claim(db, owner, limits.claim_batch_max)));
    const claimed = claims.flat().map((lease) => lease.session_id);
    assert.deepEqual(claimed.toSorted(), [...new Set(claimed)].toSorted());
    for (const id of ids) assert.ok(claimed.includes(id));
  });

  test("of a process that is cut off are free at once, and its late append is refused", async () => {
    const heard: string[] = [];
    const events = {
      joined: () => {},
      lost: () => heard.push("lost"),
      apart: () => {},
      notified: () => {},
      previewed: () => {},
    };
    const doomed = await joinMembers(db, events);
    const owner = doomed.id() ?? 0;
    const id = await runnable();
    const lease = (await claim(db, owner, 100)).find((candidate) => candidate.session_id === id);
    assert.ok(lease);
    assert.ok(!(await reap(db, null)).includes(id), "a living process keeps its sessions");

    await db.query(
      {
        name: "cut",
        text: `select pg_terminate_backend(pid) from pg_locks
          where locktype = 'advisory' and objid::bigint = $1`,
      },
      [owner],
    );
    while (!(await reap(db, null)).includes(id));
    await livingProcess(db, 77);
    const [again] = (await claim(db, 77, 100)).filter((candidate) => candidate.session_id === id);
    assert.equal(again?.epoch, lease.epoch + 1);
    const [late] = await append(db, [{ ...request(id, said("late")), lease }], 0);
    assert.deepEqual(late, { verdict: "stale_epoch" });
    await doomed.close();
    assert.deepEqual(heard, ["lost"]);
  });

  test("are asked for by an append only while nobody has the session", async () => {
    const id = await newSession();
    const heard: { heads: unknown; waiting: boolean }[] = [];
    const rung = Promise.withResolvers<void>();
    const member = await joinMembers(db, {
      joined: () => {},
      lost: () => {},
      apart: () => {},
      notified(heads, waiting) {
        if (heads === "everything" || !heads.has(id)) return;
        heard.push({ heads: heads.get(id), waiting });
        if (heard.length === 4) rung.resolve();
      },
      previewed: () => {},
    });
    const waiting = async (more: Partial<AppendRequest>) => {
      const [result] = await append(db, [{ ...request(id, said("x")), ...more }], 1);
      return result?.verdict === "accepted" && result.waiting;
    };
    assert.equal(await waiting({ run: { type: "wake" } }), true);
    await livingProcess(db, 9);
    const lease = (await claim(db, 9, 1_000)).find((candidate) => candidate.session_id === id);
    assert.equal(await waiting({ run: { type: "wake" } }), false, "its holder sees the entry itself");
    assert.equal(await waiting({}), false);
    assert.equal(await waiting({ lease, run: { type: "park", after_ms: 0 } }), true, "it was handed over");
    await rung.promise;
    await member.close();
    assert.deepEqual(heard, [
      { heads: 1, waiting: true },
      { heads: 2, waiting: false },
      { heads: 3, waiting: false },
      { heads: 4, waiting: true },
    ]);
  });

  test("are given to nobody who is dead to the others, and freed wherever such a one has them", async () => {
    const id = await runnable();
    assert.deepEqual(await claim(db, 4_711, 1_000), []);
    await db.query(
      { name: "orphan", text: "update session_head set lease_owner = 4711 where session_id = $1" },
      [id],
    );
    assert.ok((await reap(db, null)).includes(id));
  });

  test("of a process are not freed by itself, however late it beats", async () => {
    await livingProcess(db, 4_712);
    await db.query(
      { name: "late", text: "update process set beat_at = drover_now() - interval '1 hour' where id = 4712" },
      [],
    );
    const id = await runnable();
    await claim(db, 4_712, 1_000);
    assert.ok(!(await reap(db, 4_712)).includes(id));
    assert.ok((await reap(db, null)).includes(id));
  });

  test("leave alone what only a newer server can read", async () => {
    const id = await runnable();
    const about = { id: newId("event"), thread_id: "sthr_t", audience: "internal", of_seq: null } as const;
    const newer: AppendEntry = { ...about, type: "promoted", body: { reader: 99 } };
    await append(db, [request(id, said("old"), newer)], 0);
    await livingProcess(db, 5);
    assert.ok(!(await claim(db, 5, 1_000)).some((lease) => lease.session_id === id));
  });
});

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freeLease, message, testSession } from "../brain/testing.ts";
import { testDatabase } from "../db/testing.ts";
import { takeCleanups } from "./cleanup.ts";
import type { Lease } from "./lease.ts";
import { placementsIn } from "./placement.ts";

const db = await testDatabase();
after(() => db.close());
const placements = placementsIn(db);

async function claimed() {
  const session = await testSession(db, () => []);
  await session.send(message("hello"));
  return { session, lease: await session.claim() };
}

/** The same session under the next epoch. */
async function takenOver({ session }: { session: Awaited<ReturnType<typeof testSession>> }): Promise<Lease> {
  await freeLease(db, session.id);
  return session.claim();
}

const seqOf = async (id: string) =>
  (
    await db.query<{ seq: number }>(
      { name: "seq", text: "select seq from session_head where session_id = $1" },
      [id],
    )
  )[0]?.seq;

test("the first placement wins, and the next lease knows of it", async () => {
  const held = await claimed();
  assert.equal(held.lease.placement, null);
  const [first, second] = await Promise.all([
    placements.place(held.lease, "host_a"),
    placements.place(held.lease, "host_b"),
  ]);
  assert.deepEqual(first, second);
  assert.deepEqual((await takenOver(held)).placement, first);
});

test("a lease that is over decides nothing", async () => {
  const held = await claimed();
  const placed = await placements.place(held.lease, "host_a");
  assert.ok(placed);
  await freeLease(db, held.session.id);
  assert.equal(await placements.move(held.lease, placed, "host_b"), null, "it was given back");
  const next = await held.session.claim();
  assert.equal(await placements.move(held.lease, placed, "host_b"), null, "it is another's");
  assert.equal(await placements.place(held.lease, "host_b"), null);
  assert.deepEqual(await placements.place(next, "host_b"), placed);
  assert.deepEqual(await placements.abandonedOn("host_a", 10), []);
});

test("of two who move a session at once one does, and it is moved once", async () => {
  const { session, lease } = await claimed();
  const placed = await placements.place(lease, "host_c");
  assert.ok(placed);
  const moves = await Promise.all([
    placements.move(lease, placed, "host_d"),
    placements.move(lease, placed, "host_e"),
  ]);
  const [moved] = moves.filter((move) => move !== null);
  assert.equal(moves.filter((move) => move === null).length, 1);
  assert.deepEqual([moved?.generation, moved?.moved_seq], [1, await seqOf(session.id)]);
  assert.deepEqual(await placements.abandonedOn("host_c", 10), [
    { session_id: session.id, generation: 0, epoch: lease.epoch, keep_checkpoints: true },
  ]);
  assert.deepEqual((await takenOver({ session })).placement, moved);
});

test("what was left behind is told under the epoch of now, until it is freed", async () => {
  const held = await claimed();
  const placed = await placements.place(held.lease, "host_f");
  assert.ok(placed && (await placements.move(held.lease, placed, "host_g")));
  const next = await takenOver(held);
  const [left] = await placements.abandonedOn("host_f", 10);
  assert.equal(left?.epoch, next.epoch);
  assert.ok(left);
  await placements.freed(left);
  assert.deepEqual(await placements.abandonedOn("host_f", 10), []);
});

test("the sandbox of a session that ends while its host is away is left behind with all that was kept of it", async () => {
  const { session, lease } = await claimed();
  const placed = await placements.place(lease, "host_h");
  assert.ok(placed && (await placements.move(lease, placed, "host_i")));
  await db.query({ name: "gone", text: "delete from session_head where session_id = $1" }, [session.id]);
  await db.query(
    {
      name: "cleanup",
      text: "insert into cleanup (session_id, epoch, forked, try_at) values ($1, $2, false, drover_now())",
    },
    [session.id, lease.epoch + 1],
  );
  const asked: unknown[] = [];
  await takeCleanups(db, async ({ placement }) => {
    asked.push([placement?.host_id, placement?.generation]);
    return "unreachable";
  });
  assert.deepEqual(asked, [["host_i", 1]]);
  for (const [host, generation] of [
    ["host_h", 0],
    ["host_i", 1],
  ] as const) {
    assert.deepEqual(await placements.abandonedOn(host, 10), [
      { session_id: session.id, generation, epoch: lease.epoch + 1, keep_checkpoints: false },
    ]);
  }
  await takeCleanups(db, () => assert.fail("it is done"));
});

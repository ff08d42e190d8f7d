import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { livingProcess, testSession } from "../brain/testing.ts";
import { testDatabase } from "../db/testing.ts";
import { claim, nextDue } from "./lease.ts";

const db = await testDatabase();
after(() => db.close());

/** The clock stands still: however long this takes, what is due later is not due. */
before(async () => {
  const text = `create or replace function drover_now() returns timestamptz language sql stable as
    $$ select timestamptz '2026-11-21T12:00:00Z' $$`;
  await db.query({ name: "stopped_clock", text }, []);
  for (const owner of [1, 2, 3]) await livingProcess(db, owner);
});

const pattern = (await testSession(db, () => [])).id;

/** Of one statement, which has to end in time on a busy machine too. */
const sessionsAtOnce = 1_000;

/** So many sessions of a workspace that have waited for so many seconds, or are due in as many. */
async function waiting(workspaceId: string, count: number, seconds: number): Promise<void> {
  const id = `'sesn_${workspaceId}_' || n`;
  const text = `
with now as materialized (select drover_now() as at), made as (
  insert into session select (json_populate_record(s, json_build_object('id', ${id}, 'workspace_id', $2::text))).*
  from session s, generate_series($3::int, $4::int) n where s.id = $1)
insert into session_head select (json_populate_record(h, json_build_object('session_id', ${id},
  'workspace_id', $2::text, 'runnable_at', at - $5::int * interval '1 second' - n * interval '1 millisecond'))).*
from session_head h, now, generate_series($3::int, $4::int) n where h.session_id = $1`;
  for (let from = 1; from <= count; from += sessionsAtOnce) {
    const to = Math.min(count, from + sessionsAtOnce - 1);
    await db.query({ name: `waiting_${workspaceId}`, text }, [pattern, workspaceId, from, to, seconds]);
  }
}

const workspacesOf = (leases: { workspace_id: string }[]) => leases.map((lease) => lease.workspace_id);
const countOf = (leases: { workspace_id: string }[], id: string) =>
  workspacesOf(leases).filter((workspace) => workspace === id).length;

describe("workspaces take turns", () => {
  test("so that 10,000 sessions of one do not hold up another's", async () => {
    await waiting("big", 10_000, 3_600);
    await waiting("small", 2, 1);
    await waiting("later", 3, -60);
    const first = await claim(db, 1, 4);
    assert.deepEqual([countOf(first, "big"), countOf(first, "small")], [2, 2]);
    // The longest waiting of each.
    assert.deepEqual(first.map((lease) => lease.session_id).toSorted(), [
      "sesn_big_10000",
      "sesn_big_9999",
      "sesn_small_1",
      "sesn_small_2",
    ]);
    assert.deepEqual(new Set(workspacesOf(await claim(db, 1, 32))), new Set(["big"]));
  });

  test("and who claims at the same time finds other sessions", async () => {
    const claims = await Promise.all([1, 2, 3].map((owner) => claim(db, owner, 32)));
    const ids = claims.flat().map((lease) => lease.session_id);
    assert.equal(new Set(ids).size, 96);
  });

  test("and one that has its share is passed over", async () => {
    assert.deepEqual(await claim(db, 1, 32, { except: ["big"] }), []);
    await waiting("third", 1, 1);
    assert.deepEqual(workspacesOf(await claim(db, 1, 32, { except: ["big"] })), ["third"]);
  });

  test("and the next one due is found among all but those", async () => {
    assert.ok(Number(await nextDue(db, 1)) < -3_600_000);
    assert.equal(Number(await nextDue(db, 1, { except: ["big"] })), 60_000 - 3);
    assert.equal(await nextDue(db, 1, { except: ["big", "later"] }), null);
  });
});

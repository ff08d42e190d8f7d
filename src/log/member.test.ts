import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { livingProcess, message, testSession } from "../brain/testing.ts";
import { testDatabase } from "../db/testing.ts";
import { limits } from "../limits.ts";
import { claim, processLockClass, reap } from "./lease.ts";
import { joinMembers } from "./member.ts";

const db = await testDatabase();
after(() => db.close());

const instant = "timestamptz '2026-11-21T12:00:00Z'";

const setClock = (name: string, expression: string) =>
  db.query(
    {
      name,
      text: `create or replace function drover_now() returns timestamptz language sql stable as
        $$ select ${expression} $$`,
    },
    [],
  );

async function claimed(owner: number): Promise<string> {
  const session = await testSession(db, () => []);
  await session.send(message("Go"));
  await livingProcess(db, owner);
  const leases = await claim(db, owner, limits.claim_batch_max);
  assert.ok(leases.some(({ session_id }) => session_id === session.id));
  return session.id;
}

/** The connection by which a process is known. */
async function connection(owner: number) {
  const client = await db.connect();
  await client.query("select pg_advisory_lock($1, $2)", [processLockClass, owner]);
  return client;
}

describe("a process is dead to the others", () => {
  test("as soon as its connection is, however new its beat", async () => {
    await setClock("stopped", instant);
    const client = await connection(1);
    const id = await claimed(1);
    assert.ok(!(await reap(db, null)).includes(id));
    await client.end();
    while (!(await reap(db, null)).includes(id));
  });

  test("as soon as its beat is old, however well its connection", async () => {
    await setClock("stopped", instant);
    const client = await connection(2);
    const id = await claimed(2);
    await setClock("late", `${instant} + interval '${limits.process_dead_ms + 1} milliseconds'`);
    assert.ok((await reap(db, null)).includes(id));
    await client.end();
  });
});

test("one beat keeps all sessions of a process, and touches none of them", async () => {
  await setClock("true", "clock_timestamp()");
  const silent = { joined() {}, lost() {}, apart() {}, notified() {}, previewed() {} };
  const member = await joinMembers(db, silent);
  const owner = member.id() ?? assert.fail();
  const count = 100;
  for (let n = 0; n < count; n += 1) await (await testSession(db, () => [])).send(message("Go"));
  const held = new Set<string>();
  while (held.size < count)
    for (const { session_id } of await claim(db, owner, limits.claim_batch_max)) held.add(session_id);
  const heads = () =>
    db.query(
      {
        name: "heads",
        text: "select h.*, xmin::text from session_head h where lease_owner = $1 order by session_id",
      },
      [owner],
    );
  const before = await heads();

  // More time than any process may be silent for passes at once.
  await setClock("an_hour_later", "clock_timestamp() + interval '1 hour'");
  const text = "select from process where id = $1 and beat_at > drover_now() - interval '1 minute'";
  while ((await db.query({ name: "beats", text }, [owner])).length === 0);
  await reap(db, null);
  assert.deepEqual(await heads(), before);

  await member.close();
  await reap(db, null);
  assert.deepEqual(await heads(), [], "they were kept by nothing else");
});

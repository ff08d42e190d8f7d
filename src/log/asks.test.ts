import assert from "node:assert/strict";
import { after, test } from "node:test";
import { message, testSession } from "../brain/testing.ts";
import { testDatabase } from "../db/testing.ts";
import { type AppendRequest, append } from "./append.ts";

const db = await testDatabase();
after(() => db.close());

/** A session that asks this, of which no brain takes anything up. */
async function asking(...asks: string[]) {
  const session = await testSession(db, () => []);
  await session.send(message("One"));
  const lease = await session.claim();
  const { workspace_id, session_id } = lease;
  const change = async (request: Partial<AppendRequest>) => {
    const [result] = await append(db, [{ workspace_id, session_id, entries: [], ...request }], 0);
    return result?.verdict;
  };
  const park = { type: "park", after_ms: null } as const;
  assert.equal(await change({ lease, asks, status: "idle", run: park }), "accepted");
  return change;
}

const both = ["confirmation a", "if_allowed tool_result a", "confirmation b", "if_allowed tool_result b"];

test("what waits for a client's leave can be answered as soon as that has arrived, and not before", async () => {
  const change = await asking(...both);
  assert.equal(await change({ answers: ["tool_result a"] }), "not_asked");
  const allow = { answers: ["confirmation a"], allows: ["if_allowed tool_result a"] };
  assert.equal(await change(allow), "accepted");
  assert.equal(await change(allow), "not_asked");
  assert.equal(await change({ answers: ["tool_result b"] }), "not_asked");
  assert.equal(await change({ answers: ["tool_result a"] }), "accepted");
  assert.equal(await change({ answers: ["tool_result a"] }), "not_asked");
});

test("what is refused leave is not asked any more", async () => {
  const change = await asking(...both);
  const deny = { answers: ["confirmation a"], closes: ["if_allowed tool_result a"] };
  assert.equal(await change(deny), "accepted");
  assert.equal(await change({ allows: ["if_allowed tool_result a"] }), "accepted");
  assert.equal(await change({ answers: ["tool_result a"] }), "not_asked");
  assert.equal(await change({ answers: ["confirmation b"] }), "accepted");
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { type Facts, follow, isIdle, message, newSession, prepare, send } from "./harness/session.ts";

let api: TestServer;
let facts: Facts;

before(async () => {
  api = await startTestServer();
  facts = await prepare(api.client);
});
after(() => api.close());

/**
 * Statements of one turn on a session that is streamed, tail reads included. The brain's round looks for work every
 * second and is counted with it when the two meet, so the least of several turns is what a turn costs.
 */
async function statementsOf(text: string): Promise<number> {
  const { id } = await newSession(api.client, facts);
  const following = await follow(api.client, id);
  const counts: number[] = [];
  for (let n = 1; n <= 8; n += 1) {
    const before = api.server.statementCount();
    await send(api.client, id, message(text));
    await following.until(isIdle, n);
    counts.push(api.server.statementCount() - before);
  }
  following.close();
  return Math.min(...counts);
}

test("a turn without tools costs four statements", async () => {
  assert.equal(await statementsOf("say hi"), 4);
});

test("a turn with one tool costs six statements", async () => {
  assert.equal(await statementsOf("bash true\nthen\nsay hi"), 6);
});

test("a turn with three parallel tools costs no more than their results need", async () => {
  assert.ok((await statementsOf("bash true\nbash true\nbash true\nthen\nsay hi")) <= 8);
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startTestServer, type TestServer } from "./harness/server.ts";
import { follow, isIdle, message, newSession, prepare, resultsIn, send } from "./harness/session.ts";

const host_gone_ms = 200;

describe("servers on one database that name different sandbox hosts", () => {
  let first: TestServer;
  let second: TestServer;
  before(async () => {
    first = await startTestServer({ host_gone_ms });
    const files = { store: { type: "folder", path: first.files } } as const;
    second = await startTestServer({ db: first.db, host_gone_ms, files });
    // Now the one would give up any host that it does not know.
    await pause(host_gone_ms);
  });
  after(async () => {
    await second.close();
    await first.close();
  });

  const generationOf = async (id: string) => {
    const [row] = await first.db.query<{ generation: number }>(
      { name: "test_generation", text: "select generation from placement where session_id = $1" },
      [id],
    );
    return row?.generation;
  };

  test("leave each session to those that reach its host, in whatever order they hear of it", async () => {
    const facts = await prepare(first.client);
    const { id } = await newSession(first.client, facts);
    const counts: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      const { client } = n % 2 === 0 ? second : first;
      const following = await follow(client, id);
      await send(client, id, message("bash echo run >> runs; grep -c run runs"));
      counts.push(...resultsIn(await following.until(isIdle)));
      following.close();
    }
    assert.deepEqual(counts, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert.equal(await generationOf(id), 0);
  });

  test("wait for one that is restarted", async () => {
    const facts = await prepare(second.client);
    const sessions = await Promise.all(Array.from({ length: 6 }, () => newSession(second.client, facts)));
    const say = async (id: string) => {
      const following = await follow(second.client, id);
      await send(second.client, id, message("bash echo run >> runs; grep -c run runs"));
      return { following, id };
    };
    for (const { following } of await Promise.all(sessions.map(({ id }) => say(id)))) {
      await following.until(isIdle);
      following.close();
    }
    await first.stop();
    const asked = await Promise.all(sessions.map(({ id }) => say(id)));
    const again = await startTestServer({ beside: first, host_gone_ms });
    for (const { following, id } of asked) {
      assert.deepEqual(resultsIn(await following.until(isIdle)), ["2"]);
      assert.equal(await generationOf(id), 0);
      following.close();
    }
    await again.stop();
  });
});

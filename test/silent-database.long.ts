import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openDatabase } from "../src/db/database.ts";
import { DatabaseUnavailable } from "../src/db/errors.ts";
import { testDatabase } from "../src/db/testing.ts";
import { startTestServer } from "./harness/server.ts";
import { follow, isIdle, isOf, listed, message, newSession, prepare, send } from "./harness/session.ts";
import { startSilentProxy } from "./harness/silent-proxy.ts";

const db = await testDatabase();
const { host } = Object.fromEntries(new URL(db.url.replace("@/", "@x/")).searchParams);
const proxy = await startSilentProxy({ path: `${host}/.s.PGSQL.5432` });
const proxied = new URL(db.url.replace("@/", `@127.0.0.1:${proxy.port}/`));
proxied.search = "?sslmode=disable";
after(async () => {
  await proxy.close();
  await db.close();
});

describe("a connection to the database that dies without a word", { concurrency: true }, () => {
  test("is noticed and replaced where it listens, and streams go on", async () => {
    const api = await startTestServer({ db, database_url: proxied.href, roles: ["api"] });
    const brain = await startTestServer({ db, beside: api, roles: ["brain"] });
    const { id } = await newSession(api.client, await prepare(api.client, "simulated/400"));
    const following = await follow(api.client, id, { event_deltas: ["agent.message"] });
    const isDelta = isOf("event_delta");
    let turns = 0;
    const turn = async () => {
      turns += 1;
      const before = following.events.length;
      await send(api.client, id, message(`say ${"word ".repeat(20)}`));
      await following.until(isIdle, turns);
      return following.events.slice(before).some(isDelta);
    };
    // Previews are told by notification alone; events are also looked for.
    while (!(await turn()));
    assert.equal(proxy.silence("listen drover"), 1);
    while (!(await turn()));
    const processed = following.events.filter((event) => "processed_at" in event && event.processed_at);
    assert.deepEqual(processed, await listed(api.client, id));
    following.close();
    await brain.stop();
    await api.close();
  });

  test("fails the statement that was sent over it, and the next one has another", async () => {
    const own = openDatabase({ url: proxied.href, connections: 1 });
    const marked = { name: "marked", text: "select 1 as only_of_this_test" };
    await own.query(marked, []);
    assert.equal(proxy.silence("only_of_this_test"), 1);
    await assert.rejects(
      own.query(marked, []),
      (error) => error instanceof DatabaseUnavailable && error.mayHaveRun,
    );
    assert.deepEqual(await own.query(marked, []), [{ only_of_this_test: 1 }]);
    await own.close();
  });
});

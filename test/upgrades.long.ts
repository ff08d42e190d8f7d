import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readMigrations } from "../src/db/migrate.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import type { Version } from "./harness/changed-version.ts";
import { freePort } from "./harness/free-port.ts";
import { makeNextVersion } from "./harness/next-version.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import {
  collected,
  type Facts,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";

const sessionsInAll = 1_000;
/** Each wait for an approval; the others rest. */
const asking = 200;
/** What the next version writes into these, this one cannot read. */
const noted = 100;
const atATime = 16;

let processes: Processes;
let next: Version;
before(async () => {
  processes = await startProcesses();
  next = makeNextVersion(readMigrations().length);
  await processes.hands();
});
after(async () => {
  await processes.close();
  next.remove();
});

interface Kept {
  id: string;
  /** The call that waits to be allowed. */
  asks: string | null;
}

const thisVersion = async () => processes.serve(await freePort());
const nextVersion = async () => processes.serveVersion(next.main, await freePort());

async function each<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

/** Until nothing is left to do, for the sessions but those that wait for another version. */
async function allAtRest({ client }: Serve): Promise<string[]> {
  for (;;) {
    const busy = await collected(
      client.beta.sessions.list({ statuses: ["running", "rescheduling"], limit: 100 }),
    );
    const kinds = busy.map((session) => (session as { waiting_for?: { type: string } }).waiting_for?.type);
    if (kinds.every((kind) => kind === "upgrade")) return busy.map(({ id }) => id);
  }
}

const answer = ({ client }: Serve, { id, asks }: Kept, allow: boolean) =>
  send(client, id, {
    type: "user.tool_confirmation",
    tool_use_id: asks ?? assert.fail(`${id} asks nothing`),
    ...(allow ? { result: "allow" } : { result: "deny", deny_message: "not now" }),
  });

async function park(server: Serve, facts: Facts, text: string): Promise<Kept[]> {
  const ids: string[] = [];
  const count = text === "say parked" ? sessionsInAll - asking : asking;
  await each(
    Array.from({ length: count }, (_, n) => n),
    async () => {
      const { id } = await newSession(server.client, facts);
      await send(server.client, id, message(text));
      ids.push(id);
    },
  );
  await allAtRest(server);
  const parked: Kept[] = [];
  await each(ids, async (id) => {
    const use = (await listed(server.client, id)).find(({ type }) => type === "agent.tool_use");
    parked.push({ id, asks: use?.id ?? null });
  });
  return parked;
}

test("sessions live through an upgrade, the way back, and the next upgrade", async () => {
  let server = await thisVersion();
  const resting = await park(server, await prepare(server.client), "say parked");
  const approving = await park(
    server,
    await prepare(server.client, "simulated", "always_ask"),
    "bash echo ran\nthen\nsay over",
  );

  // Both versions at once, on a database that the new one has changed.
  const newer = await nextVersion();
  await each(resting.slice(0, 50), ({ id }) => send(server.client, id, message("say both")).then(() => {}));
  await each(resting.slice(50, 100), ({ id }) => send(newer.client, id, message("say both")).then(() => {}));
  await allAtRest(newer);
  assert.equal(await server.stop(), 0);

  const [answeredByNewer, answeredByOlder] = [approving.slice(0, asking / 2), approving.slice(asking / 2)];
  assert.equal(resting.length + approving.length, sessionsInAll);
  const notedOnes = resting.slice(100, 100 + noted);
  await each(notedOnes, ({ id }) => send(newer.client, id, message("say take note")).then(() => {}));
  await each(answeredByNewer, (session) =>
    answer(newer, session, session === answeredByNewer[0]).then(() => {}),
  );
  assert.deepEqual(await allAtRest(newer), []);
  assert.equal(await newer.stop(), 0);

  // Back: all that has no new entry goes on, the rest waits and says why.
  server = await thisVersion();
  await each(answeredByOlder, (session) =>
    answer(server, session, session === answeredByOlder[0]).then(() => {}),
  );
  await each(resting, ({ id }) => send(server.client, id, message("say back")).then(() => {}));
  const waiting = await allAtRest(server);
  assert.deepEqual(waiting.toSorted(), notedOnes.map(({ id }) => id).toSorted());
  const before = new Map<string, string>();
  await each(notedOnes, async ({ id }) => {
    before.set(id, saidIn(await listed(server.client, id)));
    assert.equal(before.get(id), "parked\ntake note");
  });
  assert.equal(await server.stop(), 0);

  // The next upgrade takes up what waited.
  const newest = await nextVersion();
  assert.deepEqual(await allAtRest(newest), []);
  for (const [group, said] of [
    [resting.slice(0, 100), "parked\nboth\nback"],
    [notedOnes, "parked\ntake note\nback"],
    [resting.slice(100 + noted), "parked\nback"],
  ] as const) {
    await each(group, async ({ id }) => {
      const events = await listed(newest.client, id);
      assert.equal(saidIn(events), said);
      assertOneActor(events);
    });
  }
  await each(approving, async ({ id }) => {
    const events = await listed(newest.client, id);
    const allowed = [answeredByNewer[0]?.id, answeredByOlder[0]?.id].includes(id);
    assert.deepEqual(resultsIn(events), [allowed ? "ran" : "The user rejected this call: not now"]);
    assert.equal(saidIn(events), "over");
    assertOneActor(events);
  });
  await assertLogsWhole(processes.db);
  await newest.stop();
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openDatabase } from "../src/db/database.ts";
import { migrate, readMigrations } from "../src/db/migrate.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { type PatroniCluster, patroniIsMissing, startPatroni } from "./harness/patroni.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { type Facts, listed, message, newSession, prepare } from "./harness/session.ts";

const missing = patroniIsMissing();
const skip = missing ?? false;

let cluster: PatroniCluster;
let processes: Processes;
let servers: Serve[];
let facts: Facts;

before(async () => {
  if (missing) return;
  cluster = await startPatroni();
  await cluster.leader();
  const db = openDatabase({ url: cluster.url });
  await migrate(db, readMigrations());
  processes = await startProcesses({ db: { ...db, url: cluster.url } });
  await processes.hands();
  servers = [await processes.serve(await freePort()), await processes.serve(await freePort())];
  facts = await prepare(at(0).client);
});
after(async () => {
  await processes?.close();
  await cluster?.close();
});

const at = (n: number) => servers?.[n % servers.length] ?? assert.fail("no server");

interface Worked {
  id: string;
  /** Ids of the events of which a server has said that it has them. */
  acknowledged: string[];
  follower: Reconnecting;
}

/** Sends one message after the other until it is told to stop; who gets no answer asks again with the next one. */
async function work(n: number, over: () => boolean): Promise<Worked> {
  const { id } = await insist(() => newSession(at(n).client, facts));
  const follower = reconnecting(at(n + 1).client, id);
  const acknowledged: string[] = [];
  for (let i = 0; !over(); i += 1) {
    const text = `bash echo ${i} >> runs\nthen\nsay ${i}`;
    const answer = await at(n + i)
      .client.beta.sessions.events.send(id, { events: [message(text)] }, { maxRetries: 0 })
      .catch(() => null);
    if (answer) acknowledged.push(...(answer.data ?? []).map((event) => event.id));
    else await pause(100);
    await atRest(id);
  }
  return { id, acknowledged, follower };
}

/** Until it works. */
async function insist<Result>(run: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await run();
    } catch {
      await pause(100);
    }
  }
}

const atRest = (id: string) =>
  insist(async () => {
    const { status } = await at(0).client.beta.sessions.retrieve(id);
    if (status !== "idle") throw new Error("not yet");
  });

async function assertNothingLost({ id, acknowledged, follower }: Worked): Promise<void> {
  const events = await listed(at(0).client, id);
  const sent = events.filter(({ type }) => type === "user.message").map((event) => event.id);
  assert.deepEqual(
    sent.filter((event) => acknowledged.includes(event)),
    acknowledged,
  );
  assertOneActor(events);
  // What was called ran, once, whoever was primary at that time.
  const called = events.flatMap((event) =>
    event.type === "agent.tool_use" ? [/echo (\d+)/.exec(String(event.input.command))?.[1]] : [],
  );
  assert.deepEqual(readFileSync(processes.workspace(id).path("runs"), "utf8").trim().split("\n"), called);
  const last = events.at(-1)?.id;
  await follower.until((event) => event.id === last);
  await follower.close();
  assert.deepEqual(follower.seen, events);
}

const failovers: [string, () => Promise<() => void>][] = [
  [
    "is asked to hand over",
    async () => {
      await cluster.switchOver();
      return () => {};
    },
  ],
  [
    "is killed",
    async () => {
      const old = await cluster.leader();
      old.kill();
      return old.start;
    },
  ],
  [
    "freezes, and wakes when another one has taken its place",
    async () => {
      const old = await cluster.leader();
      old.freeze();
      return old.thaw;
    },
  ],
];

for (const [what, begin] of failovers) {
  test(`the primary ${what}: nothing acknowledged is lost, nothing is done twice`, { skip }, async () => {
    const old = await cluster.leader();
    let over = false;
    const working = Array.from({ length: 8 }, (_, n) => work(n, () => over));
    await insist(async () => {
      const running = await at(0).client.beta.sessions.list({ statuses: ["running"] });
      assert.ok(running.data.length > 2);
    });
    const mend = await begin();
    // The other one alone takes writes once it leads, and with a standby again when the old one follows it.
    const probe = openDatabase({ url: cluster.url });
    await insist(async () => {
      const [row] = await probe.query<{ port: string }>(
        { name: "port", text: "select current_setting('port') as port" },
        [],
      );
      assert.notEqual(row?.port, String(old.port));
    });
    await probe.close();
    mend();
    const now = await cluster.leader();
    assert.notEqual(now.name, old.name);
    over = true;
    for (const worked of await Promise.all(working)) await assertNothingLost(worked);
    await insist(() => assertLogsWhole(processes.db));
  });
}

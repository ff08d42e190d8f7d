import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openDatabase } from "../src/db/database.ts";
import { migrate, readMigrations } from "../src/db/migrate.ts";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { type Patience, patience } from "./harness/patience.ts";
import {
  type PatroniCluster,
  type PatroniServer,
  patroniIsMissing,
  startPatroni,
} from "./harness/patroni.ts";
import { type Processes, type Serve, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { type Facts, listed, message, newSession, prepare } from "./harness/session.ts";

const missing = patroniIsMissing();
const skip = missing ?? false;
/** For all that a test waits for, which ends in a third of it on a slow machine. */
const patienceMs = 170_000;

let cluster: PatroniCluster;
let processes: Processes;
let servers: Serve[];
let facts: Facts;

before(async () => {
  if (missing) return;
  cluster = await startPatroni();
  const waiting = patience(patienceMs, cluster.report);
  await waiting.until("a primary that is followed", cluster.leader);
  waiting.end();
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
async function work(n: number, waiting: Patience, enough: () => boolean): Promise<Worked> {
  const { id } = await waiting.until("a new session", () => newSession(at(n).client, facts));
  const follower = reconnecting(at(n + 1).client, id);
  const acknowledged: string[] = [];
  for (let i = 0; !enough() && !waiting.over(); i += 1) {
    const text = `bash echo ${i} >> runs\nthen\nsay ${i}`;
    const answer = await waiting.until("an answer to a message", () =>
      at(n + i)
        .client.beta.sessions.events.send(id, { events: [message(text)] }, { maxRetries: 0 })
        .catch(() => null),
    );
    if (answer) acknowledged.push(...(answer.data ?? []).map((event) => event.id));
    else await pause(100);
    await waiting.until(`session ${id} at rest`, async () => {
      const { status } = await at(0).client.beta.sessions.retrieve(id, {}, { maxRetries: 0 });
      assert.equal(status, "idle");
    });
  }
  return { id, acknowledged, follower };
}

async function assertNothingLost({ id, acknowledged, follower }: Worked, waiting: Patience): Promise<void> {
  const events = await waiting.until("all events", () => listed(at(0).client, id));
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
  await waiting.until(`event ${last} on the stream of session ${id}`, () =>
    follower.until((event) => event.id === last),
  );
  await follower.close();
  assert.deepEqual(follower.seen, events);
}

const failovers: [string, (old: PatroniServer) => Promise<() => void>][] = [
  [
    "is asked to hand over",
    async () => {
      await cluster.switchOver();
      return () => {};
    },
  ],
  [
    "is killed",
    async (old) => {
      old.kill();
      return old.start;
    },
  ],
  [
    "freezes, and wakes when another one has taken its place",
    async (old) => {
      await old.freeze();
      return old.thaw;
    },
  ],
];

async function whatHappens(): Promise<string> {
  return `${await cluster.report()}\n${processes.report()}`;
}

for (const [what, begin] of failovers) {
  test(`the primary ${what}: nothing acknowledged is lost, nothing is done twice`, { skip }, async (t) => {
    const waiting = patience(patienceMs, whatHappens);
    t.after(waiting.end);
    let enough = false;
    const working = Promise.all(Array.from({ length: 8 }, (_, n) => work(n, waiting, () => enough)));
    // It is heard of below, if the test comes to that.
    working.catch(() => {});
    await waiting.until("sessions that run", async () => {
      const running = await at(0).client.beta.sessions.list({ statuses: ["running"] });
      assert.ok(running.data.length > 2);
    });
    const old = await waiting.until("a primary that is followed", cluster.leader);
    const mend = await begin(old);
    // The other one alone takes writes once it leads, and with a standby again when the old one follows it.
    const probe = openDatabase({ url: cluster.url });
    await waiting.until("another primary", async () => {
      const [row] = await probe.query<{ port: string }>(
        { name: "port", text: "select current_setting('port') as port" },
        [],
      );
      assert.notEqual(row?.port, String(old.port));
    });
    await probe.close();
    mend();
    const now = await waiting.until("the old primary as a standby", cluster.leader);
    assert.notEqual(now.name, old.name);
    enough = true;
    for (const worked of await working) await assertNothingLost(worked, waiting);
    await waiting.until("logs that are whole", () => assertLogsWhole(processes.db));
  });
}

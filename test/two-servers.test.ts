import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
  isIdle,
  type ListedEvent,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";

let processes: Processes;
let servers: Awaited<ReturnType<Processes["serve"]>>[];
let facts: Facts;

before(async () => {
  processes = await startProcesses();
  const [first, second] = [await freePort(), await freePort()];
  await processes.hands();
  servers = await Promise.all([processes.serve(first), processes.serve(second)]);
  facts = await prepare(servers[0]?.client ?? assert.fail());
});
after(() => processes.close());

const at = (n: number) => servers[n % servers.length] ?? assert.fail("no server");

test("20 sessions under load on two servers: each is driven by one at a time, and all finish", async () => {
  const turns = 4;
  await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const { id } = await newSession(at(n).client, facts);
      const clients = [reconnecting(at(n).client, id), reconnecting(at(n + 1).client, id)];
      for (let i = 1; i <= turns; i += 1) {
        // Whoever hears it first may take it up; messages come through both servers.
        const text = `bash echo run >> runs\nbash echo run >> runs\nthen\nbash grep -c run runs\nthen\nsay turn ${i}`;
        await send(at(n + i).client, id, message(text));
        for (const client of clients) await client.until(isIdle, i);
      }
      for (const client of clients) await client.close();
      const events = await listed(at(n).client, id);
      for (const client of clients) assert.deepEqual(client.seen, events);
      assertOneActor(events);
      assert.equal(saidIn(events), Array.from({ length: turns }, (_, i) => `turn ${i + 1}`).join("\n"));
      assert.deepEqual(
        resultsIn(events).filter((text) => /^\d+$/.test(text)),
        ["2", "4", "6", "8"],
      );
    }),
  );
  await assertLogsWhole(processes.db);
});

test("messages and interrupts from both sides at once neither get lost nor run twice", async () => {
  await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      const { id } = await newSession(at(n).client, facts);
      const sent: string[] = [];
      await Promise.all(
        Array.from({ length: 12 }, async (_, i) => {
          const events = i % 4 === 3 ? [{ type: "user.interrupt" } as const] : [message(`say ${n}.${i}`)];
          const answer = await send(at(i).client, id, ...events);
          sent.push(...(answer.data ?? []).map((event) => event.id));
        }),
      );
      const client = reconnecting(at(n).client, id);
      const isSent = (event: ListedEvent) => sent.includes(event.id);
      await client.until(isSent, sent.length);
      while ((await at(n).client.beta.sessions.retrieve(id)).status !== "idle");
      await client.close();
      const events = await listed(at(n).client, id);
      assertOneActor(events);
      assert.deepEqual(
        events
          .filter(isSent)
          .map((event) => event.id)
          .toSorted(),
        sent.toSorted(),
      );
    }),
  );
  await assertLogsWhole(processes.db);
});

test("one of them is killed under load, and the other finishes everything", async () => {
  const survivor = at(0);
  const doomed = at(1);
  const sessions = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const { id } = await newSession(survivor.client, facts);
      const client = reconnecting(survivor.client, id);
      const text = `bash echo run >> runs\nthen\nbash echo run >> runs\nthen\nbash grep -c run runs\nthen\nsay done`;
      await send(at(n).client, id, message(text));
      return { id, client };
    }),
  );
  await sessions[0]?.client.until(({ type }) => type === "agent.tool_result");
  await doomed.kill();
  for (const { id, client } of sessions) {
    await client.until(isIdle);
    await client.close();
    const events = await listed(survivor.client, id);
    assert.deepEqual(client.seen, events);
    assertOneActor(events);
    assert.equal(resultsIn(events).at(-1), "2");
    assert.equal(saidIn(events), "done");
  }
  await assertLogsWhole(processes.db);
});

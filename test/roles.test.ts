import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertLogsWhole, assertOneActor } from "./harness/actors.ts";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { reconnecting } from "./harness/reconnecting.ts";
import {
  type Facts,
  isIdle,
  listed,
  message,
  newSession,
  prepare,
  resultsIn,
  saidIn,
  send,
} from "./harness/session.ts";

type Serve = Awaited<ReturnType<Processes["serve"]>>;

let processes: Processes;
let api: Serve;
let facts: Facts;

before(async () => {
  processes = await startProcesses();
  await processes.hands();
  api = await processes.serve(await freePort(), "--roles", "api");
  facts = await prepare(api.client);
});
after(() => processes.close());

const brain = async () => processes.serve(await freePort(), "--roles", "brain");

describe("a process does what its roles say", () => {
  test("with no brain anywhere a session waits for one, and runs as soon as one is there", async () => {
    const { id } = await newSession(api.client, facts);
    const client = reconnecting(api.client, id);
    await send(api.client, id, message("bash echo out of the sandbox\nthen\nsay done"));
    const { waiting_for } = (await api.client.beta.sessions.retrieve(id)) as {
      waiting_for?: { type: string };
    };
    assert.equal(waiting_for?.type, "worker");
    const late = await brain();
    await client.until(isIdle);
    await client.close();
    assert.match(resultsIn(client.seen).join(), /out of the sandbox/);
    assert.equal(await late.stop(), 0);
  });

  test("without the API it says how it is, and nothing else", async () => {
    const only = await brain();
    assert.equal((await fetch(`${only.url}/healthz`)).status, 200);
    await assert.rejects(only.client.beta.agents.list(), { status: 404 });
    await only.stop();
  });

  test("sandboxes are removed by whoever has the jobs", async () => {
    const worker = await brain();
    const { id } = await newSession(api.client, facts);
    const client = reconnecting(api.client, id);
    await send(api.client, id, message("write note.txt kept"));
    await client.until(isIdle);
    await client.close();
    await api.client.beta.sessions.delete(id);
    const left = async () =>
      (
        await processes.db.query<{ n: number }>(
          { name: "left", text: "select count(*)::int as n from cleanup" },
          [],
        )
      )[0]?.n;
    assert.equal(await left(), 1);
    const jobs = await processes.serve(await freePort(), "--roles", "jobs");
    while ((await left()) !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await jobs.stop();
    await worker.stop();
  });
});

test("brains that are restarted one after the other hand their sessions over in the middle of turns", async () => {
  let brains = [await brain(), await brain()];
  const text = `${"bash echo run >> runs\nthen\n".repeat(6)}say ${"word ".repeat(30)}\nbash grep -c run runs\nthen\nsay done`;
  const slow = await prepare(api.client, "simulated/1000");
  const sessions = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const { id } = await newSession(api.client, slow);
      const client = reconnecting(api.client, id);
      await send(api.client, id, message(text));
      return { id, client };
    }),
  );
  for (let round = 0; round < 2; round += 1) {
    await sessions[round]?.client.until(({ type }) => type === "agent.tool_result", 2 * round + 1);
    const renewed: Serve[] = [];
    for (const old of brains) {
      renewed.push(await brain());
      assert.equal(await old.stop(), 0);
    }
    brains = renewed;
  }
  for (const { id, client } of sessions) {
    await client.until(isIdle);
    await client.close();
    const events = await listed(api.client, id);
    assert.deepEqual(client.seen, events);
    assertOneActor(events);
    assert.equal(resultsIn(events).at(-1), "6");
    assert.match(saidIn(events), /done$/);
  }
  await assertLogsWhole(processes.db);
});

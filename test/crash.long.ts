import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./harness/free-port.ts";
import { type Processes, startProcesses } from "./harness/processes.ts";
import { type Reconnecting, reconnecting } from "./harness/reconnecting.ts";
import { type Facts, isIdle, listed, message, newSession, prepare, saidIn } from "./harness/session.ts";

const sessionCount = 24;
const turnCount = 25;
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

let processes: Processes;
let hands: Awaited<ReturnType<Processes["hands"]>>;
let servers: Awaited<ReturnType<Processes["serve"]>>[];
let ports: number[];
let facts: Facts;

before(async () => {
  processes = await startProcesses();
  ports = [await freePort(), await freePort()];
  hands = await processes.hands();
  servers = await Promise.all(ports.map((port) => processes.serve(port)));
  facts = await prepare(at(0).client);
});
after(() => processes.close());

const at = (n: number) => servers[n % servers.length] ?? assert.fail("no server");

/** Mulberry32: the same kills for the same seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A POST whose answer was lost may have been taken: it is sent again only when the list does not hold it. */
async function sendOnce(n: number, id: string, text: string): Promise<void> {
  for (;;) {
    try {
      for (const event of await listed(at(n).client, id)) {
        if (event.type === "user.message" && JSON.stringify(event.content).includes(JSON.stringify(text)))
          return;
      }
      await at(n).client.beta.sessions.events.send(id, { events: [message(text)] }, { maxRetries: 0 });
      return;
    } catch {
      await pause(50);
    }
  }
}

test(`serve and hands are killed at random under load (SEED=${seed})`, async (context) => {
  const random = randomFrom(seed);
  let busy = true;
  let kills = 0;

  async function killing(): Promise<void> {
    while (busy) {
      await pause(random() * 700);
      kills += 1;
      if (random() < 0.25) {
        await hands.kill();
        hands = await processes.hands();
      } else {
        const n = Math.floor(random() * servers.length);
        await at(n).kill();
        servers[n] = await processes.serve(ports[n] ?? 0);
      }
    }
  }

  /** The check of what was done, to be made once nothing is killed any more: the counting must not be lost itself. */
  async function play(id: string, n: number): Promise<() => Promise<void>> {
    const client = reconnecting(at(n).client, id);
    for (let turn = 1; turn <= turnCount; turn += 1) {
      const name = `${turn}`;
      const text = [
        `bash echo a >> ${name}.a`,
        `bash echo b >> ${name}.b; sleep 0.1`,
        "then",
        `bash echo c >> ${name}.c`,
        "then",
        `say turn ${name}.`,
      ].join("\n");
      await sendOnce(n, id, text);
      await client.until(isIdle, turn);
    }
    return () => check(id, n, client);
  }

  async function check(id: string, n: number, client: Reconnecting): Promise<void> {
    await sendOnce(n, id, "bash for f in *.?; do wc -l < $f; done | sort | uniq -c\nthen\necho");
    await client.until(isIdle, turnCount + 1);
    await client.close();
    const events = await listed(at(0).client, id);
    assert.deepEqual(client.seen, events);
    const said = saidIn(events);
    for (let turn = 1; turn <= turnCount; turn += 1) assert.match(said, new RegExp(`turn ${turn}\\.`));
    // What hands lost may not have run; nothing has run twice.
    const counts = said
      .split("\n")
      .slice(turnCount)
      .filter((line) => /^\s*\d+ \d+$/.test(line));
    assert.ok(counts.length > 0, said);
    for (const line of counts) assert.match(line, / [01]$/, said);
  }

  const ids: string[] = [];
  for (let n = 0; n < sessionCount; n += 1) ids.push((await newSession(at(n).client, facts)).id);
  const playing = ids.map(play);
  const killer = killing();
  const checks = await Promise.all(playing).finally(() => {
    busy = false;
  });
  await killer;
  for (const check of checks) await check();
  context.diagnostic(`${kills} kills`);
  assert.ok(kills >= 10);
});

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Recovery } from "../../src/protocol/events.ts";
import { killed, workerProcess } from "./sdk-workers.ts";
import { hostedSession, newHostedSession, selfHosted } from "./self-hosted.ts";
import { startTestServer } from "./server.ts";
import { isIdle, listed, message, send } from "./session.ts";

export interface KilledWorkers {
  run_ms: number;
  kill_every_ms: number;
  sessions: number;
  /** Commands of each session, one after the other. */
  commands: number;
}

/**
 * Two of the SDK's workers serve these sessions while one of them is killed every few seconds. Every session ends, no command
 * runs twice, and each result tells who made it. Returns how many calls were lost with their worker.
 */
export async function assertUnharmedByKills(
  options: KilledWorkers,
): Promise<{ kills: number; lost: number }> {
  const api = await startTestServer({ work_lease_ms: 3_000 });
  const folder = mkdtempSync(join(tmpdir(), "drover-killed-workers-"));
  const ran = join(folder, "ran");
  writeFileSync(ran, "");
  const said: string[] = [];
  try {
    const own = await selfHosted(api);
    let started = 0;
    const start = () => {
      started += 1;
      const name = `w${started}`;
      return workerProcess(own, { workdir: folder, name, heard: (text) => said.push(`${name} ${text}`) });
    };
    const workers = await Promise.all([start(), start()]);
    const ids: string[] = [];
    for (let n = 0; n < options.sessions; n += 1) {
      const { id } = await newHostedSession(own);
      const steps = Array.from(
        { length: options.commands },
        (_, i) => `bash echo ${id}.${i} >> ${ran}; sleep 0.3\nthen`,
      );
      await send(own.client, id, message([...steps, "say over"].join("\n")));
      ids.push(id);
    }
    const until = Date.now() + options.run_ms;
    let kills = 0;
    while (Date.now() < until) {
      await pause(options.kill_every_ms);
      const place = kills % workers.length;
      const worker = workers[place];
      if (worker) await killed(worker);
      workers[place] = await start();
      kills += 1;
    }
    let lost = 0;
    for (const id of ids) lost += await assertEnded(id);
    await Promise.all(workers.map(killed));
    const commands = readFileSync(ran, "utf8").trim().split("\n");
    assert.equal(new Set(commands).size, commands.length, "a command ran twice");
    assert.ok(commands.length + lost >= options.sessions * options.commands, "a command is missing");
    return { kills, lost };

    async function assertEnded(id: string): Promise<number> {
      for (;;) {
        const newest = (await listed(own.client, id)).at(-1);
        if (newest && isIdle(newest) && newest.stop_reason.type === "end_turn") break;
        await pause(200);
      }
      const events = await listed(own.client, id);
      const calls = events.flatMap((event) => (event.type === "agent.tool_use" ? [event.id] : []));
      const results = events.flatMap((event) => (event.type === "user.tool_result" ? [event] : []));
      assert.deepEqual(
        results.map(({ tool_use_id }) => tool_use_id),
        calls,
        "a call has no result, or two",
      );
      assert.equal(calls.length, options.commands);
      let unknown = 0;
      for (const result of results as unknown as Told[]) {
        assert.match(result.worker?.worker_id ?? "", /^w\d+$/, "nobody knows who made a result");
        if (result.recovery?.type === "outcome_unknown") unknown += 1;
      }
      assert.match((await hostedSession(own, id)).work?.worker_id ?? "", /^w\d+$/);
      return unknown;
    }
  } catch (error) {
    throw new Error(`the workers said:\n${said.join("")}`, { cause: error });
  } finally {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Told {
  worker?: { work_id: string; worker_id: string | null };
  recovery?: Recovery;
}

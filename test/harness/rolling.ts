import assert from "node:assert/strict";
import { isProcessed, readByCursor } from "../chaos/readers.ts";
import { assertLogsWhole, assertOneActor } from "./actors.ts";
import type { Serve } from "./processes.ts";
import { reconnecting } from "./reconnecting.ts";
import { isIdle, listed, message, newSession, prepare, resultsIn, saidIn, send } from "./session.ts";

const text = `${"bash echo run >> runs\nthen\n".repeat(6)}say ${"word ".repeat(30)}\nbash grep -c run runs\nthen\nsay done`;

/** What it needs of processes that the restarts leave alone. */
export interface Rolling {
  db: Parameters<typeof assertLogsWhole>[0];
  /** Which clients hear of. Those with a cursor go on at the next one. */
  servers: readonly Serve[];
  /** Replaces the first or the second process. */
  restart(n: number): Promise<void>;
}

/** Two rounds of restarts while ten turns run: nothing is lost, nor done twice. */
export async function roll({ db, servers, restart }: Rolling): Promise<void> {
  const [first] = servers;
  if (!first) assert.fail("no server");
  const slow = await prepare(first.client, "simulated/1000");
  const sessions = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const server = servers[n % servers.length] ?? first;
      const { id } = await newSession(server.client, slow);
      const client = reconnecting(server.client, id);
      const byCursor = readByCursor(
        servers.map(({ url }) => url),
        id,
      );
      await send(server.client, id, message(text));
      return { id, client, byCursor };
    }),
  );
  try {
    for (let round = 0; round < 2; round += 1) {
      await sessions[round]?.client.until(({ type }) => type === "agent.tool_result", 2 * round + 1);
      for (const n of [0, 1]) await restart(n);
    }
    for (const { id, client, byCursor } of sessions) {
      await client.until(isIdle);
      await client.close();
      const events = await listed(first.client, id);
      assert.deepEqual(client.seen, events);
      await byCursor.until(events.length);
      await byCursor.close();
      assert.deepEqual(
        byCursor.frames.filter(isProcessed).map(({ data }) => data),
        events,
      );
      assertOneActor(events);
      assert.equal(resultsIn(events).at(-1), "6");
      assert.match(saidIn(events), /done$/);
    }
  } finally {
    for (const { byCursor } of sessions) await byCursor.close();
  }
  await assertLogsWhole(db);
}

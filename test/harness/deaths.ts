import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import type { Failpoint } from "../../src/failpoints.ts";
import { assertLogsWhole, assertOneActor } from "./actors.ts";
import { freePort } from "./free-port.ts";
import type { Processes, Running, Serve } from "./processes.ts";
import { type Reconnecting, reconnecting } from "./reconnecting.ts";
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
} from "./session.ts";

/** Which test meets each place at which a process can be made to die. One that is not here is not met: add a test. */
const metBy: Record<Failpoint, "sessions" | "workspaces" | "outputs" | "contents" | "credentials"> = {
  claimed: "sessions",
  append_asked: "sessions",
  append_done: "sessions",
  model_asked: "sessions",
  model_said: "sessions",
  tool_asked: "sessions",
  tool_answered: "sessions",
  setup_asked: "sessions",
  setup_answered: "sessions",
  place_asked: "sessions",
  place_done: "sessions",
  move_asked: "workspaces",
  move_done: "workspaces",
  stop_asked: "sessions",
  stop_done: "sessions",
  call_read: "sessions",
  call_noted: "sessions",
  call_ended: "sessions",
  call_kept: "sessions",
  restore_asked: "workspaces",
  restore_done: "workspaces",
  checkpoint_asked: "workspaces",
  checkpoint_stored: "workspaces",
  checkpoint_done: "workspaces",
  output_read: "outputs",
  output_received: "outputs",
  output_taken: "outputs",
  content_stored: "contents",
  content_kept: "contents",
  blob_received: "contents",
  mounts_filled: "contents",
  mounts_brought: "contents",
  repository_fetched: "contents",
  repository_placed: "contents",
  refresh_asked: "credentials",
  refresh_answered: "credentials",
  sandbox_removed: "workspaces",
  answer_written: "sessions",
  answer_committed: "sessions",
};

/** Processes that die at places that are counted. */
export interface Deaths {
  /** It dies there while that is done. */
  at(doomed: Running, point: Failpoint, act: () => Promise<unknown>): Promise<void>;
  /** Something has died there. */
  met(point: Failpoint): void;
  /** Fails unless all places of these tests were met. */
  assertComplete(): void;
}

export function countDeaths(tests: (typeof metBy)[Failpoint]): Deaths {
  const met = new Set<string>();
  const expected = Object.entries(metBy).flatMap(([point, by]) => (by === tests ? [point] : []));
  return {
    async at(doomed, point, act) {
      await doomed.crashAt({ point, nth: 0 });
      await act();
      assert.equal(await doomed.ended, point);
      met.add(point);
    },
    met: (point) => void met.add(point),
    assertComplete: () => assert.deepEqual([...met].toSorted(), expected.toSorted()),
  };
}

/** Processes, and the one of them that does nothing but to answer clients. */
export interface Scene {
  processes: Processes;
  api: Serve;
  facts: Facts;
}

export interface Played extends Scene {
  id: string;
  client: Reconnecting;
}

export async function begin(scene: Scene): Promise<Played> {
  const { id } = await newSession(scene.api.client, scene.facts);
  return { ...scene, id, client: reconnecting(scene.api.client, id) };
}

/** One turn, until the session rests for the `nth` time. */
export async function play({ api, id, client }: Played, text: string, nth = 1): Promise<string[]> {
  await send(api.client, id, message(text));
  await client.until(isIdle, nth);
  return resultsIn(client.seen);
}

/** Nothing of the session is lost, twice, or out of order; what the model was told, and how often `run` was written. */
export async function outcome({ processes, api, id, client }: Played, turns = 1) {
  await client.until(isIdle, turns);
  await client.close();
  const events = await listed(api.client, id);
  assert.deepEqual(client.seen, events);
  assertOneActor(events);
  await assertLogsWhole(processes.db);
  assert.match(saidIn(events), /done$/);
  const file = processes.workspace(id).path("runs");
  const runs = existsSync(file) ? readFileSync(file, "utf8").match(/run/g) : null;
  return { results: resultsIn(events), runs: runs?.length ?? 0 };
}

export const startBrain = async ({ processes }: Pick<Scene, "processes">) =>
  processes.serve(await freePort(), "--roles", "brain");

export async function startScene(processes: Processes): Promise<Scene> {
  const api = await processes.serve(await freePort(), "--roles", "api");
  return { processes, api, facts: await prepare(api.client) };
}

import assert from "node:assert/strict";
import type { Recovery } from "../../src/protocol/events.ts";
import { freePort } from "./free-port.ts";
import { scraped } from "./metrics.ts";
import { type Processes, type Running, type Serve, startProcesses } from "./processes.ts";
import { type Reconnecting, reconnecting } from "./reconnecting.ts";
import {
  type Facts,
  isIdle,
  isOf,
  type ListedEvent,
  listed,
  message,
  newSession,
  prepare,
  send,
} from "./session.ts";
import type { Workspace } from "./workspace.ts";

/** One `drover serve` and one `drover hands`, to be killed in the middle of what they do. */
export interface Crashes {
  processes: Processes;
  port: number;
  facts: Facts;
  /** Those that run now; whoever replaces one says so here. */
  serve: Serve;
  hands: Running;
  /** Kills `serve` and starts another one on the same port. */
  killServe(): Promise<void>;
  /** A session to which that was said. */
  start(text: string, model?: string): Promise<Started>;
  /** What a careful client has seen is what the list holds: nothing lost, repeated or in another order. */
  assertSeenWhole(id: string, client: Reconnecting): Promise<void>;
  /** By the server that runs now. */
  takenOver(): Promise<number | undefined>;
}

export interface Started {
  id: string;
  client: Reconnecting;
  workspace: Workspace;
}

export async function startCrashes(options: Parameters<typeof startProcesses>[0] = {}): Promise<Crashes> {
  const processes = await startProcesses(options);
  const port = await freePort();
  const [hands, serve] = await Promise.all([processes.hands(), processes.serve(port)]);
  const crashes: Crashes = {
    processes,
    port,
    facts: await prepare(serve.client),
    serve,
    hands,
    async killServe() {
      await crashes.serve.kill();
      crashes.serve = await processes.serve(port);
    },
    async start(text, model) {
      const { client: api } = crashes.serve;
      const agent_id = model ? (await prepare(api, model)).agent_id : crashes.facts.agent_id;
      const { id } = await newSession(api, { ...crashes.facts, agent_id });
      const client = reconnecting(api, id);
      await send(api, id, message(text));
      return { id, client, workspace: processes.workspace(id) };
    },
    async assertSeenWhole(id, client) {
      await client.until(isIdle);
      await client.close();
      const api = crashes.serve.client;
      const list = await listed(api, id);
      assert.deepEqual(client.seen, list);
      assert.equal(new Set(list.map((event) => event.id)).size, list.length);
      assert.equal((await api.beta.sessions.retrieve(id)).status, "idle");
      const ends = list.filter((event) => event.type === "span.model_request_end");
      const starts = list.filter((event) => event.type === "span.model_request_start");
      assert.deepEqual(
        ends.map((event) => event.model_request_start_id),
        starts.map((event) => event.id),
      );
    },
    takenOver: async () => (await scraped(crashes.serve.metrics_url)).get("drover_sessions_taken_over_total"),
  };
  return crashes;
}

/** Of every tool result, in order. */
export const recoveriesIn = (events: ListedEvent[]) =>
  events.filter(isOf("agent.tool_result")).map((event) => (event as { recovery?: Recovery }).recovery);

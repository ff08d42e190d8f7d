import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";
import type { HostConnection } from "../hands/client.ts";
import type { Placements } from "../hands/placement.ts";
import type { Restored } from "../hands/wire.ts";
import { refusalsIn } from "../protocol/network-use.ts";
import type { WorkQueue } from "../resources/work/queue.ts";
import type { ToolResult } from "../tools/tool.ts";

/** What one process counts from its start. No label holds an id or anything that a tenant has chosen. */
export interface Metrics {
  toolCalled(name: string, result: Pick<ToolResult, "recovery" | "network">): void;
  workspaceRestored(restored: Restored): void;
  /** So many sessions were freed whose process had died, was cut off or stood still. */
  takenOver(sessions: number): void;
  /** A worker of a self-hosted environment was not heard of any more. */
  workLost(): void;
  /** As it is now; null: that is not known. */
  workSeen(queue: WorkQueue | null): void;
  /** The same placements; those that are moved are counted. */
  counting(placements: Placements): Placements;
  /** For Prometheus, in its text format. */
  text(): Promise<string>;
  content_type: string;
}

const outcomes = ["settled", "run_again", "outcome_unknown"] as const;
const restores = ["whole", "incomplete", "empty"] as const;

export function createMetrics({
  tools,
  hosts,
}: {
  /** The names of all tools that the server runs. */
  tools: readonly string[];
  hosts: readonly Pick<HostConnection, "isUp" | "facts">[];
}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: "drover_tool_calls_total",
    help: "Calls of tools that have ended. run_again: lost while they ran, and run again. outcome_unknown: lost, and nobody can say how they ended.",
    labelNames: ["tool", "outcome"] as const,
    registers,
  });
  const restored = new Counter({
    name: "drover_workspaces_restored_total",
    help: "Workspaces that were brought back for a call. incomplete: paths were missing. empty: there was no checkpoint that could be read.",
    labelNames: ["result"] as const,
    registers,
  });
  const connections = new Counter({
    name: "drover_sandbox_connections_total",
    help: "Connections that programs in sandboxes have made to the network, as told with the results of calls.",
    registers,
  });
  const bytes = new Counter({
    name: "drover_sandbox_bytes_total",
    help: "Bytes that programs in sandboxes have sent and received.",
    labelNames: ["direction"] as const,
    registers,
  });
  const refusals = new Counter({
    name: "drover_sandbox_refusals_total",
    help: "Connections and requests of programs in sandboxes that were refused.",
    registers,
  });
  const takenOver = new Counter({
    name: "drover_sessions_taken_over_total",
    help: "Sessions in work that were freed because their process had died, was cut off or stood still.",
    registers,
  });
  const moved = new Counter({
    name: "drover_sandboxes_moved_total",
    help: "Sessions whose sandbox moved to another host because theirs was gone.",
    registers,
  });
  const workLost = new Counter({
    name: "drover_work_lost_total",
    help: "Work of self-hosted environments whose worker was not heard of any more.",
    registers,
  });
  const work = new Gauge({
    name: "drover_work_items",
    help: "Work of self-hosted environments now. waiting: no worker has it. held: one has.",
    labelNames: ["state"] as const,
    registers,
  });
  const oldestWork = new Gauge({
    name: "drover_work_oldest_seconds",
    help: "For how long the oldest work has waited that a worker could have taken; 0 when there is none.",
    registers,
  });
  new Gauge({
    name: "drover_sandbox_hosts",
    help: "Sandbox hosts as this process sees them. checkpoints_failing: reachable, but the last checkpoint of a workspace failed.",
    labelNames: ["state"] as const,
    registers,
    collect() {
      const states = { ready: 0, checkpoints_failing: 0, unreachable: 0 };
      for (const host of hosts) states[stateOf(host)] += 1;
      for (const [state, count] of Object.entries(states)) this.set({ state }, count);
    },
  });
  // A series that begins at 0 shows its first increase.
  for (const tool of tools) for (const outcome of outcomes) calls.inc({ tool, outcome }, 0);
  for (const direction of ["sent", "received"] as const) bytes.inc({ direction }, 0);
  for (const result of restores) restored.inc({ result }, 0);

  return {
    toolCalled(name, { recovery, network }) {
      const tool = tools.includes(name) ? name : "other";
      calls.inc({ tool, outcome: recovery?.type ?? "settled" });
      if (!network) return;
      connections.inc(network.connections);
      bytes.inc({ direction: "sent" }, network.bytes_sent);
      bytes.inc({ direction: "received" }, network.bytes_received);
      refusals.inc(refusalsIn(network));
    },
    workspaceRestored: (filled) => restored.inc({ result: completenessOf(filled) }),
    takenOver: (sessions) => takenOver.inc(sessions),
    workLost: () => workLost.inc(),
    workSeen(queue) {
      work.reset();
      oldestWork.remove();
      if (!queue) return;
      work.set({ state: "waiting" }, queue.waiting);
      work.set({ state: "held" }, queue.held);
      oldestWork.set(queue.oldest_s);
    },
    counting: (placements) => ({
      ...placements,
      async move(lease, from, host_id) {
        const placement = await placements.move(lease, from, host_id);
        if (placement) moved.inc();
        return placement;
      },
    }),
    text: () => registry.metrics(),
    content_type: registry.contentType,
  };
}

function stateOf(host: Pick<HostConnection, "isUp" | "facts">) {
  if (!host.isUp()) return "unreachable";
  return host.facts()?.checkpoints_failing ? "checkpoints_failing" : "ready";
}

function completenessOf({ checkpoint, missing_count }: Restored): (typeof restores)[number] {
  if (!checkpoint) return "empty";
  return missing_count === 0 ? "whole" : "incomplete";
}

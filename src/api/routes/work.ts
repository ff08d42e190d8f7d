import { invalid } from "../../protocol/errors.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import type { Principal } from "../../protocol/principal.ts";
import {
  heartbeatQuery,
  listWorkQuery,
  pollWorkQuery,
  stopWorkBody,
  updateWorkBody,
  work,
  workerId,
  workHeartbeat,
  workQueueStats,
} from "../../protocol/work.ts";
import type { WorkBells } from "../../resources/work/bells.ts";
import { acknowledgeWork, heartbeat } from "../../resources/work/lease.ts";
import { pollWork } from "../../resources/work/poll.ts";
import { getWork, listWork, updateWork, workStats } from "../../resources/work/read.ts";
import { stopWork } from "../../resources/work/stop.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

export interface WorkParts {
  bells: WorkBells;
  /** After so long without a heartbeat a worker has lost its work, unless it asks for another time. */
  lease_ms: number;
  /** Aborted when the server stops. */
  stop: AbortSignal;
}

const ofEnvironment = { environment_id: idOf("environment") };
const ofWork = { ...ofEnvironment, work_id: idOf("work") };
const common = { beta: managedAgentsBeta } as const;

const placeOf = (principal: Principal, params: { environment_id: string; work_id: string }) => ({
  workspaceId: principal.workspaceId,
  environmentId: params.environment_id,
  id: params.work_id,
});

export function workRoutes({ bells, lease_ms, stop }: WorkParts): Route[] {
  return [
    route({
      ...common,
      by: ["environment_key"],
      method: "GET",
      path: "/v1/environments/{environment_id}/work/poll",
      summary: "Wait for work of a self-hosted environment",
      params: ofEnvironment,
      query: pollWorkQuery,
      response: work.nullable(),
      handle({ db, principal, params, query, context }) {
        const asked = context.req.header("anthropic-worker-id") || null;
        const named = workerId.nullable().safeParse(asked);
        if (!named.success) throw invalid("anthropic-worker-id: must have at most 200 characters");
        const poller = {
          environmentId: params.environment_id,
          keyId: principal.id,
          workerId: named.data,
        };
        return pollWork(db, bells, poller, query, AbortSignal.any([stop, context.req.raw.signal]));
      },
    }),
    route({
      ...common,
      method: "GET",
      by: ["api_key", "environment_key"],
      path: "/v1/environments/{environment_id}/work/stats",
      summary: "Count what waits in the queue of an environment, and who polls it",
      params: ofEnvironment,
      response: workQueueStats,
      handle: ({ db, principal, params }) => workStats(db, principal.workspaceId, params.environment_id),
    }),
    // It refuses an API key, as the official one does.
    route({
      ...common,
      by: ["environment_key"],
      method: "GET",
      path: "/v1/environments/{environment_id}/work",
      summary: "List the work of an environment, newest first",
      params: ofEnvironment,
      query: listWorkQuery,
      response: pageOf(work),
      handle: ({ db, principal, params, query }) =>
        listWork(db, principal.workspaceId, params.environment_id, query),
    }),
    route({
      beta: null,
      method: "GET",
      path: "/v1/environments/{environment_id}/work_items",
      summary: "List the work of an environment for a client, newest first",
      params: ofEnvironment,
      query: listWorkQuery,
      response: pageOf(work),
      handle: ({ db, principal, params, query }) =>
        listWork(db, principal.workspaceId, params.environment_id, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/environments/{environment_id}/work/{work_id}",
      summary: "Get a work item",
      params: ofWork,
      response: work,
      handle: ({ db, principal, params }) => getWork(db, placeOf(principal, params)),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/environments/{environment_id}/work/{work_id}",
      summary: "Change the metadata of a work item",
      params: ofWork,
      body: updateWorkBody,
      response: work,
      handle: ({ db, principal, params, body }) => updateWork(db, placeOf(principal, params), body.metadata),
    }),
    route({
      ...common,
      by: ["environment_key"],
      method: "POST",
      path: "/v1/environments/{environment_id}/work/{work_id}/ack",
      summary: "Acknowledge work that a poll was answered with",
      params: ofWork,
      response: work,
      handle: ({ db, params }) => acknowledgeWork(db, params.environment_id, params.work_id, lease_ms),
    }),
    route({
      ...common,
      by: ["environment_key", "work_token"],
      method: "POST",
      path: "/v1/environments/{environment_id}/work/{work_id}/heartbeat",
      summary: "Say that the work goes on",
      params: ofWork,
      query: heartbeatQuery,
      response: workHeartbeat,
      handle: ({ db, params, query }) =>
        heartbeat(db, params.environment_id, params.work_id, query, lease_ms),
    }),
    route({
      ...common,
      by: ["api_key", "environment_key", "work_token"],
      method: "POST",
      path: "/v1/environments/{environment_id}/work/{work_id}/stop",
      summary: "Ask a worker to finish its work, or take it away at once",
      params: ofWork,
      body: stopWorkBody,
      response: work,
      handle: ({ db, principal, params, body }) =>
        stopWork(db, placeOf(principal, params), {
          force: body.force ?? false,
          by_operator: principal.kind === "api_key",
        }),
    }),
  ];
}

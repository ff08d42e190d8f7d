import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { z } from "zod";
import type { Blobs } from "../../files/blobs.ts";
import type { Previews } from "../../log/previews.ts";
import type { Watches } from "../../log/watch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { listEventsQuery, type StreamQuery, streamQuery } from "../../protocol/event-lists.ts";
import { type EventParams, sendEventsBody, sessionEvent } from "../../protocol/events.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import { listThreadsQuery, thread } from "../../protocol/threads.ts";
import { listEvents } from "../../resources/sessions/events.ts";
import { getThread, listThreads } from "../../resources/sessions/read.ts";
import { sendEvents } from "../../resources/sessions/send-events.ts";
import type { SessionAgents } from "../../resources/sessions/session-agents.ts";
import { openStream } from "../../resources/sessions/stream.ts";
import { noteReading } from "../../resources/work/attach.ts";
import { type Call, type Route, route, streamRoute } from "../route.ts";
import { writeEventStream } from "../sse.ts";
import { managedAgentsBeta } from "../versions.ts";

export interface EventParts {
  watches: Watches;
  previews: Previews;
  sessionAgents: SessionAgents;
  blobs: Pick<Blobs, "open">;
  /** Aborted when the server stops: streams end, and clients come back to the next one. */
  stop: AbortSignal;
  /** Told why a stream broke off, when it was not the client's doing. */
  trouble(message: string, error: unknown, sessionId: string): void;
}

const ofSession = { session_id: idOf("session") };
const ofThread = { ...ofSession, thread_id: idOf("thread") };
const common = { beta: managedAgentsBeta } as const;
const workers = ["api_key", "environment_key", "work_token"] as const;

/** A worker runs what a model wrote, which could find its credentials: with them nobody can speak for the user. */
function requireResults(events: EventParams[]): void {
  events.forEach((event, i) => {
    if (event.type !== "user.tool_result" && event.type !== "user.custom_tool_result")
      throw new ApiError(
        "permission_error",
        `events.${i}.type: a worker may send user.tool_result and user.custom_tool_result; send ${event.type} with an API key`,
      );
    event.content?.forEach((block, j) => {
      if ((block.type === "image" || block.type === "document") && block.source.type === "file")
        throw new ApiError(
          "permission_error",
          `events.${i}.content.${j}.source: a worker may not name files of the workspace; send the bytes`,
        );
    });
  });
}

export function eventRoutes({ watches, previews, sessionAgents, blobs, stop, trouble }: EventParts): Route[] {
  async function stream(
    { db, principal, query, headers, context }: Call<unknown, StreamQuery, unknown>,
    sessionId: string,
    threadId: string | null,
  ): Promise<Response> {
    if (threadId === null) await noteReading(db, principal, sessionId);
    // The listener stands before the head is read: nothing falls between the two.
    const watch = watches.watch(sessionId);
    try {
      const cursor = context.req.header("last-event-id") || query.after || null;
      const start = await openStream(db, principal.workspaceId, sessionId, threadId, cursor);
      const { outgoing } = context.env;
      const wanted = { types: query.types ?? null, deltas: query.event_deltas ?? [] };
      const stream = { db, watch, previews, sessionId, threadId, start, wanted };
      writeEventStream(outgoing, headers, stream, stop).catch((error) => {
        trouble("a stream broke off", error, sessionId);
        outgoing.destroy();
      });
    } catch (error) {
      watch.close();
      throw error;
    }
    return RESPONSE_ALREADY_SENT;
  }

  return [
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions/{session_id}/events",
      by: workers,
      summary: "Send events to a session",
      params: ofSession,
      body: sendEventsBody,
      response: z.object({ data: z.array(sessionEvent) }),
      handle({ db, log, principal, params: { session_id }, body: { events } }) {
        const { workspaceId } = principal;
        if (principal.kind !== "api_key") requireResults(events);
        const worker =
          principal.kind === "work_token"
            ? { work_id: principal.workId, worker_id: principal.workerId }
            : undefined;
        return sendEvents({ db, log, sessionAgents, blobs }, workspaceId, session_id, events, worker);
      },
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/events",
      by: workers,
      summary: "List the events of a session",
      params: ofSession,
      query: listEventsQuery,
      response: pageOf(sessionEvent),
      async handle({ db, principal, params, query }) {
        await noteReading(db, principal, params.session_id);
        return listEvents(db, principal.workspaceId, params.session_id, null, query);
      },
    }),
    streamRoute({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/events/stream",
      by: workers,
      summary: "Stream the events of a session as they happen",
      params: ofSession,
      query: streamQuery,
      event: sessionEvent,
      handle: (call) => stream(call, call.params.session_id, null),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/threads",
      summary: "List the threads of a session",
      params: ofSession,
      query: listThreadsQuery,
      response: pageOf(thread),
      handle: ({ db, principal, params, query }) =>
        listThreads(db, principal.workspaceId, params.session_id, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/threads/{thread_id}",
      summary: "Get a thread",
      params: ofThread,
      response: thread,
      handle: ({ db, principal, params }) =>
        getThread(db, principal.workspaceId, params.session_id, params.thread_id),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/threads/{thread_id}/events",
      summary: "List the events of a thread",
      params: ofThread,
      query: listEventsQuery,
      response: pageOf(sessionEvent),
      handle: ({ db, principal, params, query }) =>
        listEvents(db, principal.workspaceId, params.session_id, params.thread_id, query),
    }),
    streamRoute({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/threads/{thread_id}/stream",
      summary: "Stream the events of a thread as they happen",
      params: ofThread,
      query: streamQuery,
      event: sessionEvent,
      handle: (call) => stream(call, call.params.session_id, call.params.thread_id),
    }),
  ];
}

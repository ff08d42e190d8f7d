import type { Blobs } from "../../files/blobs.ts";
import type { Watches } from "../../log/watch.ts";
import { credentialUse, listUsesQuery } from "../../protocol/credential-uses.ts";
import { invalid } from "../../protocol/errors.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf, twoWayPageOf } from "../../protocol/page.ts";
import { sandbox } from "../../protocol/sandboxes.ts";
import {
  agentAsked,
  createSessionBody,
  deletedSession,
  forkSessionBody,
  listSessionsQuery,
  session,
  sessionAgent,
  updateSessionBody,
} from "../../protocol/sessions.ts";
import { agentStore } from "../../resources/agents.ts";
import { listUses } from "../../resources/credential-uses/list.ts";
import { environmentStore } from "../../resources/environments.ts";
import { notBudgetable, notCapped } from "../../resources/sessions/budget.ts";
import { createSession } from "../../resources/sessions/create.ts";
import { archiveSession, deleteSession } from "../../resources/sessions/end.ts";
import { type ForkParts, forkSession } from "../../resources/sessions/fork.ts";
import { namedFiles } from "../../resources/sessions/named-files.ts";
import { getSession, listSessions } from "../../resources/sessions/read.ts";
import { newRepositories, requireKnownHosts } from "../../resources/sessions/repositories.ts";
import { readSandbox, type SandboxParts } from "../../resources/sessions/sandbox.ts";
import {
  requireSupportedAgent,
  requireSupportedEvents,
  requireSupportedResources,
} from "../../resources/sessions/supported.ts";
import { updateSession } from "../../resources/sessions/update.ts";
import { pinsFor } from "../../resources/skills/pins.ts";
import type { Seal } from "../../vault/seal.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

export interface SessionParts extends ForkParts, SandboxParts {
  watches: Watches;
  blobs: Pick<Blobs, "open">;
  seal: Seal;
  /** The URLs under which repositories may be. */
  repository_hosts: readonly string[];
  /** Number of this process in notifications. */
  from(): number;
  /** There is a session to run. */
  wake(): void;
}

const params = { session_id: idOf("session") };
const common = { beta: managedAgentsBeta } as const;
/** The official API has no such route, and so SDKs no method that would send the header. */
const ours = { beta: null } as const;

export function sessionRoutes(parts: SessionParts): Route[] {
  const { priced, capped, watches, seal, blobs, repository_hosts, from, wake } = parts;
  return [
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions",
      summary: "Create a session",
      takes_secret: true,
      body: createSessionBody,
      response: session,
      async handle({ db, whenCommitted, principal: { workspaceId }, body }) {
        const asked = agentAsked(body.agent);
        const agent = await agentStore(db).get(workspaceId, asked.id, asked.version);
        if (agent.archived_at !== null) throw invalid(`agent: agent ${agent.id} is archived`);
        const effective = sessionAgent(agent, asked.overrides);
        requireSupportedAgent(effective);
        if (body.budget && !priced(effective)) throw notBudgetable(effective.model);
        if (capped && !priced(effective)) throw notCapped(effective.model);
        const environment = await environmentStore(db).get(workspaceId, body.environment_id);
        const resources = body.resources ?? [];
        requireSupportedResources(resources, environment);
        requireKnownHosts(resources, repository_hosts);
        const events = body.initial_events ?? [];
        requireSupportedEvents(events, "initial_events");
        const named = await namedFiles(db, blobs, workspaceId, events, "initial_events");
        const pins = await pinsFor(db, workspaceId, [{ path: "agent", skills: effective.skills }]);
        const repositories = await newRepositories(seal, workspaceId, resources);
        const created = await createSession(
          db,
          workspaceId,
          {
            agent: effective,
            environment,
            pins,
            repositories,
            named,
            priced: priced(effective),
            params: body,
          },
          from(),
        );
        if (created.status === "running") whenCommitted(wake);
        return created;
      },
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions",
      summary: "List sessions",
      query: listSessionsQuery,
      response: twoWayPageOf(session),
      handle: ({ db, principal, query }) => listSessions(db, principal.workspaceId, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}",
      by: ["api_key", "environment_key", "work_token"],
      summary: "Get a session",
      params,
      response: session,
      handle: ({ db, principal, params }) => getSession(db, principal.workspaceId, params.session_id),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions/{session_id}",
      summary: "Update a session",
      params,
      body: updateSessionBody,
      response: session,
      handle: ({ db, whenCommitted, principal, params: { session_id }, body }) =>
        updateSession(db, principal.workspaceId, session_id, body, {
          from: from(),
          priced,
          capped,
          moved: (seq) => whenCommitted(() => watches.moved(session_id, seq)),
          wake: () => whenCommitted(wake),
        }),
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/sessions/{session_id}",
      summary: "Delete a session and its log",
      params,
      response: deletedSession,
      handle: ({ db, whenCommitted, principal, params: { session_id } }) =>
        deleteSession(db, principal.workspaceId, session_id, {
          from: from(),
          gone: () => whenCommitted(() => watches.gone(session_id)),
        }),
    }),
    route({
      ...ours,
      method: "GET",
      path: "/v1/sessions/{session_id}/audit",
      summary:
        "List what a session has used of credentials: of which, toward which host, and what came of it",
      params,
      query: listUsesQuery,
      response: pageOf(credentialUse),
      handle: ({ db, principal, params, query }) =>
        listUses(db, principal.workspaceId, params.session_id, query),
    }),
    route({
      ...ours,
      method: "GET",
      path: "/v1/sessions/{session_id}/sandbox",
      summary: "How the sandbox of a session is, what it may use and reach, and what it was refused",
      params,
      response: sandbox,
      handle: ({ db, principal, params }) => readSandbox(db, principal.workspaceId, params.session_id, parts),
    }),
    route({
      ...ours,
      method: "POST",
      path: "/v1/sessions/{session_id}/fork",
      summary: "Fork a session: a new one that goes on from any of its events",
      params,
      body: forkSessionBody,
      response: session,
      handle: ({ db, principal, params: { session_id }, body }) =>
        forkSession(db, principal.workspaceId, session_id, body, parts),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions/{session_id}/archive",
      summary: "Archive a session: it ends, its history stays",
      params,
      response: session,
      handle: ({ db, whenCommitted, principal, params: { session_id } }) =>
        archiveSession(db, principal.workspaceId, session_id, {
          from: from(),
          moved: (seq) => whenCommitted(() => watches.moved(session_id, seq)),
        }),
    }),
  ];
}

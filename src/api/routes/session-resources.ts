import type { Watches } from "../../log/watch.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import {
  addResourceBody,
  deletedResource,
  listResourcesQuery,
  sessionResource,
  updateResourceBody,
} from "../../protocol/session-resources.ts";
import { addResource } from "../../resources/sessions/add-resource.ts";
import { deleteResource } from "../../resources/sessions/change-resource.ts";
import { getResource, listResources } from "../../resources/sessions/read-resources.ts";
import { updateResource } from "../../resources/sessions/repositories.ts";
import type { Seal } from "../../vault/seal.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

export interface SessionResourceParts {
  watches: Watches;
  seal: Seal;
  /** Number of this process in notifications. */
  from(): number;
}

const ofSession = { session_id: idOf("session") };
const params = { ...ofSession, resource_id: idOf("resource") };
const common = { beta: managedAgentsBeta } as const;

export function sessionResourceRoutes({ watches, seal, from }: SessionResourceParts): Route[] {
  return [
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions/{session_id}/resources",
      summary: "Mount a file into a session",
      params: ofSession,
      body: addResourceBody,
      response: sessionResource,
      handle: ({ db, whenCommitted, principal, params: { session_id }, body }) =>
        addResource(db, principal.workspaceId, session_id, body, {
          from: from(),
          moved: (seq) => whenCommitted(() => watches.moved(session_id, seq)),
        }),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/resources",
      summary: "List the resources of a session",
      params: ofSession,
      query: listResourcesQuery,
      response: pageOf(sessionResource),
      handle: ({ db, principal, params, query }) =>
        listResources(db, principal.workspaceId, params.session_id, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/sessions/{session_id}/resources/{resource_id}",
      summary: "Get a resource of a session",
      params,
      response: sessionResource,
      handle: ({ db, principal, params }) =>
        getResource(db, principal.workspaceId, params.session_id, params.resource_id),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/sessions/{session_id}/resources/{resource_id}",
      summary: "Update a resource of a session",
      takes_secret: true,
      params,
      body: updateResourceBody,
      response: sessionResource,
      handle: ({ db, principal, params, body }) =>
        updateResource(db, seal, principal.workspaceId, params.session_id, params.resource_id, body),
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/sessions/{session_id}/resources/{resource_id}",
      summary: "Take a resource away from a session",
      params,
      response: deletedResource,
      handle: ({ db, whenCommitted, principal, params: { session_id, resource_id } }) =>
        deleteResource(db, principal.workspaceId, session_id, resource_id, {
          from: from(),
          moved: (seq) => whenCommitted(() => watches.moved(session_id, seq)),
        }),
    }),
  ];
}

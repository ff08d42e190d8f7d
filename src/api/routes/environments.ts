import {
  createEnvironmentBody,
  deletedEnvironment,
  environment,
  listEnvironmentsQuery,
  updateEnvironmentBody,
} from "../../protocol/environments.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import type { ResourceLimits } from "../../protocol/sandbox-resources.ts";
import { environmentStore } from "../../resources/environments.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

const beta = managedAgentsBeta;
const params = { environment_id: idOf("environment") };

/** `maximum`: what the server gives a sandbox. */
export const environmentRoutes = (maximum: ResourceLimits): Route[] => [
  route({
    method: "POST",
    path: "/v1/environments",
    beta,
    summary: "Create an environment",
    body: createEnvironmentBody,
    response: environment,
    handle: ({ db, principal, body }) => environmentStore(db).create(principal.workspaceId, body, maximum),
  }),
  route({
    method: "GET",
    path: "/v1/environments",
    beta,
    summary: "List environments, newest first",
    query: listEnvironmentsQuery,
    response: pageOf(environment),
    handle: ({ db, principal, query }) => environmentStore(db).list(principal.workspaceId, query),
  }),
  route({
    method: "GET",
    path: "/v1/environments/{environment_id}",
    beta,
    summary: "Get an environment",
    params,
    response: environment,
    handle: ({ db, principal, params }) =>
      environmentStore(db).get(principal.workspaceId, params.environment_id),
  }),
  route({
    method: "POST",
    path: "/v1/environments/{environment_id}",
    beta,
    summary: "Update an environment",
    params,
    body: updateEnvironmentBody,
    response: environment,
    handle: ({ db, principal, params, body }) =>
      environmentStore(db).update(principal.workspaceId, params.environment_id, body, maximum),
  }),
  route({
    method: "DELETE",
    path: "/v1/environments/{environment_id}",
    beta,
    summary: "Delete an environment that no session refers to",
    params,
    response: deletedEnvironment,
    handle: ({ db, principal, params }) =>
      environmentStore(db).delete(principal.workspaceId, params.environment_id),
  }),
  route({
    method: "POST",
    path: "/v1/environments/{environment_id}/archive",
    beta,
    summary: "Archive an environment",
    params,
    response: environment,
    handle: ({ db, principal, params }) =>
      environmentStore(db).archive(principal.workspaceId, params.environment_id),
  }),
];

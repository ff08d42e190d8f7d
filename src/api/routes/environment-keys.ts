import {
  createdEnvironmentKey,
  createEnvironmentKeyBody,
  deletedEnvironmentKey,
  environmentKey,
  listEnvironmentKeysQuery,
} from "../../protocol/environment-keys.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import {
  createEnvironmentKey,
  listEnvironmentKeys,
  revokeEnvironmentKey,
} from "../../resources/environment-keys.ts";
import { type Route, route } from "../route.ts";

const ofEnvironment = { environment_id: idOf("environment") };
// The official API has no such routes, and so SDKs no methods that would send the header.
const common = { beta: null } as const;

export const environmentKeyRoutes: Route[] = [
  route({
    ...common,
    method: "POST",
    path: "/v1/environments/{environment_id}/keys",
    summary: "Make a key with which workers of a self-hosted environment ask for its work",
    unrepeatable: "its answer holds a secret",
    params: ofEnvironment,
    body: createEnvironmentKeyBody,
    response: createdEnvironmentKey,
    handle: ({ db, principal, params, body }) =>
      createEnvironmentKey(db, principal.workspaceId, params.environment_id, body),
  }),
  route({
    ...common,
    method: "GET",
    path: "/v1/environments/{environment_id}/keys",
    summary: "List the keys of an environment, newest first",
    params: ofEnvironment,
    query: listEnvironmentKeysQuery,
    response: pageOf(environmentKey),
    handle: ({ db, principal, params, query }) =>
      listEnvironmentKeys(db, principal.workspaceId, params.environment_id, query),
  }),
  route({
    ...common,
    method: "DELETE",
    path: "/v1/environments/{environment_id}/keys/{key_id}",
    summary: "Revoke a key of an environment",
    params: { ...ofEnvironment, key_id: idOf("environment_key") },
    response: deletedEnvironmentKey,
    handle: ({ db, principal, params }) =>
      revokeEnvironmentKey(db, principal.workspaceId, params.environment_id, params.key_id),
  }),
];

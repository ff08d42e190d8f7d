import {
  agent,
  createAgentBody,
  getAgentQuery,
  listAgentsQuery,
  listAgentVersionsQuery,
  updateAgentBody,
} from "../../protocol/agents.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import { agentStore } from "../../resources/agents.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

const beta = managedAgentsBeta;
const params = { agent_id: idOf("agent") };

export const agentRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/agents",
    beta,
    summary: "Create an agent",
    body: createAgentBody,
    response: agent,
    handle: ({ db, principal, body }) => agentStore(db).create(principal.workspaceId, body),
  }),
  route({
    method: "GET",
    path: "/v1/agents",
    beta,
    summary: "List agents, newest first",
    query: listAgentsQuery,
    response: pageOf(agent),
    handle: ({ db, principal, query }) => agentStore(db).list(principal.workspaceId, query),
  }),
  route({
    method: "GET",
    path: "/v1/agents/{agent_id}",
    beta,
    summary: "Get an agent, or one of its versions",
    params,
    query: getAgentQuery,
    response: agent,
    handle: ({ db, principal, params, query }) =>
      agentStore(db).get(principal.workspaceId, params.agent_id, query.version),
  }),
  route({
    method: "POST",
    path: "/v1/agents/{agent_id}",
    beta,
    summary: "Update an agent",
    params,
    body: updateAgentBody,
    response: agent,
    handle: ({ db, principal, params, body }) =>
      agentStore(db).update(principal.workspaceId, params.agent_id, body),
  }),
  route({
    method: "POST",
    path: "/v1/agents/{agent_id}/archive",
    beta,
    summary: "Archive an agent",
    params,
    response: agent,
    handle: ({ db, principal, params }) => agentStore(db).archive(principal.workspaceId, params.agent_id),
  }),
  route({
    method: "GET",
    path: "/v1/agents/{agent_id}/versions",
    beta,
    summary: "List the versions of an agent, newest first",
    params,
    query: listAgentVersionsQuery,
    response: pageOf(agent),
    handle: ({ db, principal, params, query }) =>
      agentStore(db).versions(principal.workspaceId, params.agent_id, query),
  }),
];

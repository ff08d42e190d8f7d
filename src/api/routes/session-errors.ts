import { pageOf } from "../../protocol/page.ts";
import { listSessionErrorsQuery, sessionErrorItem } from "../../protocol/session-errors.ts";
import { listSessionErrors } from "../../resources/session-errors.ts";
import { type Route, route } from "../route.ts";

export const sessionErrorRoutes: Route[] = [
  route({
    beta: null,
    method: "GET",
    path: "/v1/session_errors",
    summary: "List what went wrong in any session, the newest first, and what has come of it",
    query: listSessionErrorsQuery,
    response: pageOf(sessionErrorItem),
    handle: ({ db, principal, query }) => listSessionErrors(db, principal.workspaceId, query),
  }),
];

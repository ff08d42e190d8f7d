import { pageOf } from "../../protocol/page.ts";
import { listPendingActionsQuery, pendingAction } from "../../protocol/pending-actions.ts";
import { listPendingActions } from "../../resources/pending-actions.ts";
import { type Route, route } from "../route.ts";

export const pendingActionRoutes: Route[] = [
  route({
    beta: null,
    method: "GET",
    path: "/v1/pending_actions",
    summary: "List what waits for a person in any session: calls to confirm, and calls that the client runs",
    query: listPendingActionsQuery,
    response: pageOf(pendingAction),
    handle: ({ db, principal, query }) => listPendingActions(db, principal.workspaceId, query),
  }),
];

import type { Database, Statement } from "../db/database.ts";
import { ApiError, notFound } from "../protocol/errors.ts";
import type { Principal, PrincipalKind } from "../protocol/principal.ts";
import type { Route } from "./route.ts";

const inEnvironment: Statement = {
  name: "session_in_environment",
  text: "select id from session where id = $1 and environment_id = $2",
};

const words: Record<PrincipalKind, string> = {
  api_key: "an API key",
  environment_key: "an environment key",
  work_token: "the secret of a work item",
};

/** Whether these credentials are taken here, and for what the path names. Of what is not theirs they hear nothing. */
export async function requireReach(
  db: Database,
  principal: Principal,
  { by = ["api_key"], method, path }: Pick<Route, "by" | "method" | "path">,
  params: Record<string, string>,
): Promise<void> {
  if (!by.includes(principal.kind)) {
    const taken = by.map((kind) => words[kind]).join(" or ");
    throw new ApiError(
      "permission_error",
      `${method} ${path} does not take ${words[principal.kind]}: send ${taken}`,
    );
  }
  if (principal.kind === "api_key") return;
  const { environment_id, session_id, work_id } = params;
  if (environment_id !== undefined && environment_id !== principal.environmentId) {
    throw notFound(`environment ${environment_id.slice(0, 100)} not found`);
  }
  const isOthers = principal.kind === "work_token" && work_id !== undefined && work_id !== principal.workId;
  if (isOthers) throw notFound(`work ${work_id.slice(0, 100)} not found`);
  if (session_id === undefined) return;
  const isTheirs =
    principal.kind === "work_token"
      ? session_id === principal.sessionId
      : (await db.query(inEnvironment, [session_id, principal.environmentId])).length > 0;
  if (!isTheirs) throw notFound(`session ${session_id.slice(0, 100)} not found`);
}

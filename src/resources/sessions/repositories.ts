import type { Database, Statement } from "../../db/database.ts";
import { invalid } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { repositoryUrlProblem } from "../../protocol/repository-url.ts";
import {
  type ResourcesParams,
  repositoryPathOf,
  type SessionResource,
  type UpdateResource,
} from "../../protocol/session-resources.ts";
import type { Seal, SealedPlace } from "../../vault/seal.ts";
import { archived } from "./add-resource.ts";
import { getResource } from "./read-resources.ts";
import { type ResourceRow, resourceColumns, toResource } from "./resource-row.ts";

/** It belongs to the repository, and not to one row: a fork of the session has it too. */
const tokenPlace = (workspaceId: string, url: string): SealedPlace => ({
  table: "session_resource",
  column: "token",
  workspace_id: workspaceId,
  id: url,
});

const find: Statement = {
  name: "session_resource_token",
  text: "select url, token from session_resource where workspace_id = $1 and id = $2",
};

/** The token of a repository, or null where it has none. Throws where it cannot be opened. */
export const tokensIn =
  (db: Database, seal: Seal) =>
  async (workspaceId: string, resourceId: string): Promise<string | null> => {
    const [row] = await db.query<{ url: string; token: string | null }>(find, [workspaceId, resourceId]);
    return row?.token == null ? null : openToken(seal, workspaceId, { url: row.url, token: row.token });
  };

/** What the row of a repository has as its token. Throws where it cannot be opened. */
export const openToken = (
  seal: Seal,
  workspaceId: string,
  { url, token }: { url: string; token: string },
): Promise<string> => seal.open(token, tokenPlace(workspaceId, url));

/** A repository as it is written down with a new session. */
export interface NewRepository {
  position: number;
  id: string;
  url: string;
  checkout: object | null;
  token: string | null;
  mount_path: string;
}

export const newRepositories = (
  seal: Seal,
  workspaceId: string,
  resources: ResourcesParams,
): Promise<NewRepository[]> =>
  Promise.all(
    resources.flatMap((resource, i) => {
      if (resource.type !== "github_repository") return [];
      const { url, checkout = null, authorization_token: token } = resource;
      const sealed = async () =>
        token === undefined ? null : await seal.seal(token, tokenPlace(workspaceId, url));
      const about = { position: i + 1, id: newId("resource"), url, checkout };
      return [sealed().then((token) => ({ ...about, token, mount_path: repositoryPathOf(resource) }))];
    }),
  );

/** `hosts`: the URLs under which repositories may be. */
export function requireKnownHosts(resources: ResourcesParams, hosts: readonly string[]): void {
  resources.forEach((resource, i) => {
    if (resource.type !== "github_repository") return;
    const problem = repositoryUrlProblem(resource.url, hosts);
    if (problem !== null) throw invalid(`resources.${i}.url: ${problem}`);
  });
}

const change: Statement = {
  name: "session_resource_token_update",
  text: `
update session_resource r set token = $4, updated_at = greatest(drover_now(), r.updated_at + interval '1 microsecond')
from session_head h
where r.workspace_id = $1 and r.session_id = $2 and r.id = $3 and r.type = 'github_repository'
  and h.session_id = r.session_id and h.status <> 'terminated'
returning ${resourceColumns}`,
};

/** Its token is all of a resource that can change, and of a repository alone: the next turn tries it where the last one failed. */
export async function updateResource(
  db: Database,
  seal: Seal,
  workspaceId: string,
  sessionId: string,
  id: string,
  { authorization_token }: UpdateResource,
): Promise<SessionResource> {
  const resource = await getResource(db, workspaceId, sessionId, id);
  if (resource.type !== "github_repository")
    throw invalid(
      `authorization_token: resource ${id} is a ${resource.type}, and only those of type github_repository have one: delete the resource and add another one`,
    );
  const token = await seal.seal(authorization_token, tokenPlace(workspaceId, resource.url));
  const [row] = await db.query<ResourceRow>(change, [workspaceId, sessionId, id, token]);
  if (!row) throw archived(sessionId);
  return toResource(row);
}

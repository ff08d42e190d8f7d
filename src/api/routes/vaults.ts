import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import {
  createVaultBody,
  deletedVault,
  listVaultsQuery,
  updateVaultBody,
  vault,
} from "../../protocol/vaults.ts";
import { vaultStore } from "../../resources/vaults.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

const beta = managedAgentsBeta;
const params = { vault_id: idOf("vault") };

export const vaultRoutes: Route[] = [
  route({
    method: "POST",
    path: "/v1/vaults",
    beta,
    summary: "Create a vault",
    body: createVaultBody,
    response: vault,
    handle: ({ db, principal, body }) => vaultStore(db).create(principal.workspaceId, body),
  }),
  route({
    method: "GET",
    path: "/v1/vaults",
    beta,
    summary: "List vaults, newest first",
    query: listVaultsQuery,
    response: pageOf(vault),
    handle: ({ db, principal, query }) => vaultStore(db).list(principal.workspaceId, query),
  }),
  route({
    method: "GET",
    path: "/v1/vaults/{vault_id}",
    beta,
    summary: "Get a vault",
    params,
    response: vault,
    handle: ({ db, principal, params }) => vaultStore(db).get(principal.workspaceId, params.vault_id),
  }),
  route({
    method: "POST",
    path: "/v1/vaults/{vault_id}",
    beta,
    summary: "Update a vault",
    params,
    body: updateVaultBody,
    response: vault,
    handle: ({ db, principal, params, body }) =>
      vaultStore(db).update(principal.workspaceId, params.vault_id, body),
  }),
  route({
    method: "DELETE",
    path: "/v1/vaults/{vault_id}",
    beta,
    summary: "Delete a vault and its credentials",
    params,
    response: deletedVault,
    handle: ({ db, principal, params }) => vaultStore(db).delete(principal.workspaceId, params.vault_id),
  }),
  route({
    method: "POST",
    path: "/v1/vaults/{vault_id}/archive",
    beta,
    summary: "Archive a vault and its credentials, whose secrets are gone then",
    params,
    response: vault,
    handle: ({ db, principal, params }) => vaultStore(db).archive(principal.workspaceId, params.vault_id),
  }),
];

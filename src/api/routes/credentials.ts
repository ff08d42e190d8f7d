import { openedHosts } from "../../net/addresses.ts";
import { hostOf } from "../../net/reach.ts";
import { credentialUseSummary, listUseSummariesQuery } from "../../protocol/credential-uses.ts";
import {
  createCredentialBody,
  credential,
  deletedCredential,
  listCredentialsQuery,
  updateCredentialBody,
} from "../../protocol/credentials.ts";
import { idOf } from "../../protocol/ids.ts";
import { pageOf } from "../../protocol/page.ts";
import { listUseSummaries } from "../../resources/credential-uses/summaries.ts";
import { createCredential } from "../../resources/credentials/create.ts";
import { requireEncrypted } from "../../resources/credentials/encrypted.ts";
import { archiveCredential, deleteCredential } from "../../resources/credentials/end.ts";
import { getCredential, listCredentials } from "../../resources/credentials/read.ts";
import { updateCredential } from "../../resources/credentials/update.ts";
import type { Seal } from "../../vault/seal.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

export interface CredentialParts {
  seal: Seal;
  /** Names, addresses and subnets that may be reached although they are not public: without TLS too. */
  allow_private_hosts: readonly string[];
}

const ofVault = { vault_id: idOf("vault") };
const params = { ...ofVault, credential_id: idOf("credential") };
const common = { beta: managedAgentsBeta } as const;

export function credentialRoutes({ seal, allow_private_hosts }: CredentialParts): Route[] {
  const opened = openedHosts(allow_private_hosts);
  const isOpened = (hostname: string) => {
    const host = hostOf(hostname);
    return opened.name(host) || opened.address(host);
  };
  return [
    route({
      ...common,
      method: "POST",
      path: "/v1/vaults/{vault_id}/credentials",
      summary: "Create a credential, whose secret is not shown again",
      takes_secret: true,
      params: ofVault,
      body: createCredentialBody,
      response: credential,
      handle({ db, principal, params: { vault_id }, body }) {
        requireEncrypted(body.auth, isOpened);
        return createCredential(db, seal, principal.workspaceId, vault_id, body);
      },
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/vaults/{vault_id}/credentials",
      summary: "List the credentials of a vault, newest first",
      params: ofVault,
      query: listCredentialsQuery,
      response: pageOf(credential),
      handle: ({ db, principal, params, query }) =>
        listCredentials(db, principal.workspaceId, params.vault_id, query),
    }),
    route({
      ...common,
      method: "GET",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}",
      summary: "Get a credential, without its secret",
      params,
      response: credential,
      handle: ({ db, principal, params: { vault_id, credential_id } }) =>
        getCredential(db, principal.workspaceId, vault_id, credential_id),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}",
      summary: "Update a credential: its secret too, and not what it is for",
      takes_secret: true,
      params,
      body: updateCredentialBody,
      response: credential,
      handle: ({ db, principal, params: { vault_id, credential_id }, body }) =>
        updateCredential(db, seal, principal.workspaceId, vault_id, credential_id, body),
    }),
    route({
      ...common,
      method: "DELETE",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}",
      summary: "Delete a credential",
      params,
      response: deletedCredential,
      handle: ({ db, principal, params: { vault_id, credential_id } }) =>
        deleteCredential(db, principal.workspaceId, vault_id, credential_id),
    }),
    route({
      ...common,
      method: "POST",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}/archive",
      summary: "Archive a credential: its secret is gone then, its record stays",
      params,
      response: credential,
      handle: ({ db, principal, params: { vault_id, credential_id } }) =>
        archiveCredential(db, principal.workspaceId, vault_id, credential_id),
    }),
    route({
      // The official API has no such route, and so SDKs no method that would send the header.
      beta: null,
      method: "GET",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}/uses",
      summary: "List where a credential was used: by which sessions, toward which hosts, how often and when",
      params,
      query: listUseSummariesQuery,
      response: pageOf(credentialUseSummary),
      handle: ({ db, principal, params: { vault_id, credential_id }, query }) =>
        listUseSummaries(db, principal.workspaceId, vault_id, credential_id, query),
    }),
  ];
}

import { z } from "zod";
import { limits } from "../limits.ts";
import { isAllowedHost } from "./domains.ts";
import { invalid } from "./errors.ts";
import { metadata, metadataParams, metadataPatch } from "./metadata.ts";
import { pageQuery, queryBoolean, timestamp } from "./page.ts";
import { secretNameProblem } from "./secret-name.ts";

/**
 * A *credential* is a secret and what it is for. The secret comes in and is never shown again: in no answer, and, since it is
 * checked by patterns that say themselves what they want, in no message about what is wrong with it.
 */

const chars = limits.secret_chars_max;

/** What goes into `Authorization: Bearer`. */
const bearerToken = z
  .string()
  .regex(
    new RegExp(`^[\\x21-\\x7e]{1,${chars}}$`),
    `must be 1 to ${chars} printable ASCII characters without spaces or line breaks`,
  );

/** What goes into a form, or is put in the place of a placeholder: a space at its end would be lost in a header. */
const secretText = z
  .string()
  .regex(
    new RegExp(`^(?! )[\\x20-\\x7e]{1,${chars}}(?<! )$`),
    `must be 1 to ${chars} printable ASCII characters without line breaks, and no space first or last`,
  );

const oauthText = z
  .string()
  .min(1)
  .max(limits.oauth_text_chars_max)
  .regex(/^[\x20-\x7e]*$/, "must be printable ASCII");

/** Also as it is sent, where some characters take several: an index of the database has to take it. */
const urlCharsMax = 2_048;

/** To which of them a secret may go without TLS, the server's settings say: see `requireEncrypted`. */
const secretUrl = z
  .string()
  .max(urlCharsMax)
  .superRefine((text, context) => {
    const message = urlProblem(text);
    if (message !== null) context.addIssue({ code: "custom", message });
  });

function urlProblem(text: string): string | null {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return "must be an https URL";
  const { username, password, href } = new URL(text);
  if (username !== "" || password !== "") return "must not hold a user name or a password";
  if (href.length > urlCharsMax)
    return `must not be longer than ${urlCharsMax} characters when it is encoded`;
  // What parsers leave out or read differently: the host that is shown is to be the one that is reached.
  return /[\s\\\p{Cc}]/u.test(text) ? "must not hold spaces, backslashes or control characters" : null;
}

const secretName = z.string().superRefine((name, context) => {
  const message = secretNameProblem(name);
  if (message !== null) context.addIssue({ code: "custom", message });
});

const host = z
  .string()
  .max(255)
  .refine(
    (text) => isAllowedHost(text) && !/^\*\.[\d.]+$/.test(text),
    'must be a hostname, an IPv4 address or "*." before a hostname, without scheme, port or path',
  );

const networkingParams = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("unrestricted") }),
  z.strictObject({
    type: z.literal("limited"),
    allowed_hosts: z.array(host).min(1).max(limits.credential_hosts_max),
  }),
]);

const injectionLocationParams = z.strictObject({
  header: z.boolean().optional(),
  body: z.boolean().optional(),
});

const clientSecret = { client_secret: secretText };
const refreshParams = z.strictObject({
  token_endpoint: secretUrl,
  client_id: oauthText,
  refresh_token: secretText,
  token_endpoint_auth: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("none") }),
    z.strictObject({ type: z.literal("client_secret_basic"), ...clientSecret }),
    z.strictObject({ type: z.literal("client_secret_post"), ...clientSecret }),
  ]),
  scope: oauthText.nullish(),
  resource: oauthText.nullish(),
});

const authParams = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("static_bearer"), mcp_server_url: secretUrl, token: bearerToken }),
  z.strictObject({
    type: z.literal("mcp_oauth"),
    mcp_server_url: secretUrl,
    access_token: bearerToken,
    expires_at: timestamp.nullish(),
    refresh: refreshParams.nullish(),
  }),
  z.strictObject({
    type: z.literal("environment_variable"),
    secret_name: secretName,
    secret_value: secretText,
    networking: networkingParams,
    injection_location: injectionLocationParams.optional(),
  }),
]);
export type CredentialAuthParams = z.infer<typeof authParams>;

export const createCredentialBody = z.strictObject({
  auth: authParams,
  display_name: z.string().max(255).nullish(),
  metadata: metadataParams.optional(),
});
export type CreateCredential = z.infer<typeof createCredentialBody>;

const fixed = z.never("cannot be changed: archive the credential and create another one").optional();
const newClientSecret = { client_secret: secretText.nullish() };

const authUpdate = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("static_bearer"), token: bearerToken.nullish(), mcp_server_url: fixed }),
  z.strictObject({
    type: z.literal("mcp_oauth"),
    access_token: bearerToken.nullish(),
    expires_at: timestamp.nullish(),
    refresh: z
      .strictObject({
        refresh_token: secretText.nullish(),
        /** Empty: none. */
        scope: z.union([z.literal(""), oauthText]).nullish(),
        token_endpoint_auth: z
          .discriminatedUnion("type", [
            z.strictObject({ type: z.literal("client_secret_basic"), ...newClientSecret }),
            z.strictObject({ type: z.literal("client_secret_post"), ...newClientSecret }),
          ])
          .optional(),
        token_endpoint: fixed,
        client_id: fixed,
        resource: fixed,
      })
      .nullish(),
    mcp_server_url: fixed,
  }),
  z.strictObject({
    type: z.literal("environment_variable"),
    secret_value: secretText.nullish(),
    networking: networkingParams.nullish(),
    injection_location: injectionLocationParams.optional(),
    secret_name: fixed,
  }),
]);
export type CredentialAuthUpdate = z.infer<typeof authUpdate>;

/** Null says no more than a field that was left out. */
export const updateCredentialBody = z.strictObject({
  auth: authUpdate.optional(),
  display_name: z.string().min(1).max(255).nullish(),
  metadata: metadataPatch.nullish(),
});
export type UpdateCredential = z.infer<typeof updateCredentialBody>;

export const listCredentialsQuery = pageQuery().extend({ include_archived: queryBoolean.default(false) });
export type ListCredentials = z.infer<typeof listCredentialsQuery>;

const injectionLocation = z.object({ header: z.boolean(), body: z.boolean() });

/** Nothing in it is secret. */
export const credentialAuth = z.discriminatedUnion("type", [
  z.object({ type: z.literal("static_bearer"), mcp_server_url: z.string() }),
  z.object({
    type: z.literal("mcp_oauth"),
    mcp_server_url: z.string(),
    expires_at: z.string().nullable(),
    refresh: z
      .object({
        token_endpoint: z.string(),
        client_id: z.string(),
        token_endpoint_auth: z.object({
          type: z.enum(["none", "client_secret_basic", "client_secret_post"]),
        }),
        scope: z.string().nullable(),
        resource: z.string().nullable(),
      })
      .nullable(),
  }),
  z.object({
    type: z.literal("environment_variable"),
    secret_name: z.string(),
    networking: z.discriminatedUnion("type", [
      z.object({ type: z.literal("unrestricted") }),
      z.object({ type: z.literal("limited"), allowed_hosts: z.array(z.string()) }),
    ]),
    injection_location: injectionLocation,
  }),
]);
export type CredentialAuth = z.infer<typeof credentialAuth>;

export const credential = z.object({
  id: z.string(),
  type: z.literal("vault_credential"),
  vault_id: z.string(),
  display_name: z.string().nullable(),
  metadata,
  auth: credentialAuth,
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
  /** Beyond the official API: of one whose last refresh has failed, how often in a row, and until when it is not tried again. */
  refresh_failure: z.object({ message: z.string(), count: z.int(), retry_at: z.string() }).optional(),
});
export type Credential = z.infer<typeof credential>;

export const deletedCredential = z.object({ id: z.string(), type: z.literal("vault_credential_deleted") });

/** What is shown of a new one. */
export function createdAuth(params: CredentialAuthParams): CredentialAuth {
  switch (params.type) {
    case "static_bearer":
      return { type: params.type, mcp_server_url: params.mcp_server_url };
    case "mcp_oauth": {
      const { type, mcp_server_url, expires_at = null, refresh } = params;
      if (!refresh) return { type, mcp_server_url, expires_at, refresh: null };
      const { token_endpoint, client_id, token_endpoint_auth, scope = null, resource = null } = refresh;
      const shown = { token_endpoint, client_id, scope, resource };
      const auth = { type: token_endpoint_auth.type };
      return { type, mcp_server_url, expires_at, refresh: { ...shown, token_endpoint_auth: auth } };
    }
    case "environment_variable": {
      const { type, secret_name, networking, injection_location } = params;
      const { header = false, body = false } = injection_location ?? { header: true, body: true };
      return { type, secret_name, networking, injection_location: requireOne({ header, body }) };
    }
  }
}

function requireOne(location: z.infer<typeof injectionLocation>) {
  if (location.header || location.body) return location;
  throw invalid("auth.injection_location: header and body are both off, and the secret would go nowhere");
}

/** What is shown of it after an update; of what is secret, `updatedSecret` says what becomes of it. */
export function updatedAuth(current: CredentialAuth, params: CredentialAuthUpdate): CredentialAuth {
  if (current.type === "static_bearer" && params.type === "static_bearer") return current;
  if (current.type === "mcp_oauth" && params.type === "mcp_oauth") {
    const expires_at = params.expires_at ?? current.expires_at;
    if (!params.refresh) return { ...current, expires_at };
    const { scope, token_endpoint_auth } = params.refresh;
    if (!current.refresh)
      throw invalid("auth.refresh: the credential was created without, and cannot be given one");
    if (token_endpoint_auth && current.refresh.token_endpoint_auth.type === "none")
      throw invalid('auth.refresh.token_endpoint_auth: is "none" and cannot change');
    return {
      ...current,
      expires_at,
      refresh: { ...current.refresh, scope: scope == null ? current.refresh.scope : scope || null },
    };
  }
  if (current.type === "environment_variable" && params.type === "environment_variable") {
    const { networking, injection_location } = params;
    return {
      ...current,
      networking: networking ?? current.networking,
      injection_location: requireOne({ ...current.injection_location, ...injection_location }),
    };
  }
  throw invalid(`auth.type: is "${current.type}" and cannot change`);
}

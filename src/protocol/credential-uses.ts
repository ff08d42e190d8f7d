import { z } from "zod";
import { limits } from "../limits.ts";
import { order, pageQuery } from "./page.ts";

/**
 * A *credential use* tells that a session has used a credential, or the token of one of its repositories: what of it, toward
 * which host, and what came of it. Uses of one minute that are alike are one. Beyond the official API.
 */

export const useKind = z.enum(["environment_variable", "repository", "mcp", "oauth_refresh"]);
export type UseKind = z.infer<typeof useKind>;

export const credentialUse = z.object({
  id: z.string(),
  type: z.literal("credential_use"),
  session_id: z.string(),
  kind: useKind,
  /** Of these, one is null. It may have been deleted since. */
  credential_id: z.string().nullable(),
  resource_id: z.string().nullable(),
  /** `*`: there were too many different ones to name each. */
  host: z.string(),
  /** `sent 200`: the status of the answer; `sent` where none came; else why it was not sent. */
  outcome: z.string(),
  count: z.int(),
  /** When the first of them was. */
  created_at: z.string(),
});
export type CredentialUse = z.infer<typeof credentialUse>;

export const listUsesQuery = pageQuery({
  default: limits.credential_uses_page,
  max: limits.credential_uses_page_max,
}).extend({ order: order.default("desc") });
export type ListUses = z.infer<typeof listUsesQuery>;

/**
 * Where a credential was used: by one session toward one host. That a session has used one toward too many different hosts to
 * name each is told of `*`.
 */
export const credentialUseSummary = z.object({
  type: z.literal("credential_use_summary"),
  credential_id: z.string(),
  session_id: z.string(),
  session_title: z.string().nullable(),
  kind: useKind,
  host: z.string(),
  count: z.int(),
  /** What came of the last one, as in a `credential_use`. */
  last_outcome: z.string(),
  first_used_at: z.string(),
  last_used_at: z.string(),
});
export type CredentialUseSummary = z.infer<typeof credentialUseSummary>;

export const listUseSummariesQuery = pageQuery();
export type ListUseSummaries = z.infer<typeof listUseSummariesQuery>;

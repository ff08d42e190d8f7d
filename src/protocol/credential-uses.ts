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

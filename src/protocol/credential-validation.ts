import { z } from "zod";

const httpResponse = z.object({
  status_code: z.number(),
  content_type: z.string(),
  body: z.string(),
  body_truncated: z.boolean(),
});

/** What became of one look at whether an OAuth credential works. */
export const credentialValidation = z.object({
  type: z.literal("vault_credential_validation"),
  credential_id: z.string(),
  vault_id: z.string(),
  status: z.enum(["valid", "invalid", "unknown"]),
  has_refresh_token: z.boolean(),
  validated_at: z.string(),
  /** The step that failed; null where none did. */
  mcp_probe: z.object({ method: z.string(), http_response: httpResponse.nullable() }).nullable(),
  /** Null where none was tried. */
  refresh: z
    .object({
      status: z.enum(["succeeded", "failed", "connect_error", "no_refresh_token"]),
      http_response: httpResponse.nullable(),
    })
    .nullable(),
});
export type CredentialValidation = z.infer<typeof credentialValidation>;

import { z } from "zod";
import { metadata, metadataParams, metadataPatch } from "./metadata.ts";
import { pageQuery, queryBoolean } from "./page.ts";

/** A *vault* holds credentials. Sessions that name it use them, and what runs in a session never sees one. */

const displayName = z.string().min(1).max(255);

export const createVaultBody = z.strictObject({
  display_name: displayName,
  metadata: metadataParams.optional(),
});
export type CreateVault = z.infer<typeof createVaultBody>;

/** Null says no more than a field that was left out. */
export const updateVaultBody = z.strictObject({
  display_name: displayName.nullish(),
  metadata: metadataPatch.nullish(),
});
export type UpdateVault = z.infer<typeof updateVaultBody>;

export const listVaultsQuery = pageQuery().extend({ include_archived: queryBoolean.default(false) });
export type ListVaults = z.infer<typeof listVaultsQuery>;

export const vault = z.object({
  id: z.string(),
  type: z.literal("vault"),
  display_name: z.string(),
  metadata,
  created_at: z.string(),
  updated_at: z.string(),
  archived_at: z.string().nullable(),
});
export type Vault = z.infer<typeof vault>;

export const deletedVault = z.object({ id: z.string(), type: z.literal("vault_deleted") });

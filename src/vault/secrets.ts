import { z } from "zod";
import type { Seal, SealedPlace } from "./seal.ts";

/** What is sealed of a credential, by its type: JSON, in the column `secret` of its row. */
export const credentialSecret = z.discriminatedUnion("type", [
  z.object({ type: z.literal("static_bearer"), token: z.string() }),
  z.object({
    type: z.literal("mcp_oauth"),
    access_token: z.string(),
    refresh_token: z.string().nullable(),
    client_secret: z.string().nullable(),
  }),
  z.object({ type: z.literal("environment_variable"), secret_value: z.string() }),
]);
export type CredentialSecret = z.infer<typeof credentialSecret>;

export const credentialPlace = (workspaceId: string, credentialId: string): SealedPlace => ({
  table: "credential",
  column: "secret",
  workspace_id: workspaceId,
  id: credentialId,
});

/** Opens what was sealed as JSON of a shape. What is thrown holds nothing of it, as a parser's errors may. */
export async function openAs<T>(
  schema: z.ZodType<T>,
  seal: Pick<Seal, "open">,
  sealed: string,
  place: SealedPlace,
): Promise<T> {
  const text = await seal.open(sealed, place);
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${place.table}.${place.column} of ${place.id} has not the shape that it should have`);
  }
}

/** What is sealed of a session's pass. */
export const passSecret = z.object({ pass: z.string(), private_key: z.string() });
export type PassSecret = z.infer<typeof passSecret>;

export const passPlace = (workspaceId: string, sessionId: string): SealedPlace => ({
  table: "session_pass",
  column: "secret",
  workspace_id: workspaceId,
  id: sessionId,
});

/** What is sent to an MCP server as `Authorization: Bearer`. */
export interface McpBearer {
  credential_id: string;
  vault_id: string;
  token: string;
  /** Of the secret, by which a newer one is told from it. */
  secret_version: number;
}

/** How whoever speaks with MCP servers comes by what they want to see. */
export interface McpBearers {
  /**
   * Of the first of the session's vaults that has an active credential for the server, refreshed if it has expired; null
   * where none has one. Throws `CredentialUnusable` where there is one and it cannot be used at present.
   */
  find(workspaceId: string, sessionId: string, serverUrl: string): Promise<McpBearer | null>;
  /**
   * After the server has refused it (401): a newer one, which somebody else or this call has got; null where there is nothing
   * to get one with. One process at a time refreshes a credential, however many ask. Throws `CredentialUnusable` where that
   * failed, and says why.
   */
  renew(workspaceId: string, sessionId: string, refused: McpBearer): Promise<McpBearer | null>;
  /** Writes down that it was used. `outcome`: as in `vault-wire.ts`. */
  note(workspaceId: string, sessionId: string, used: McpBearer, host: string, outcome: string): void;
}

/** There is a credential, and nothing that could be sent for it. The message holds nothing of the secret. */
export class CredentialUnusable extends Error {
  override readonly name = "CredentialUnusable";
}

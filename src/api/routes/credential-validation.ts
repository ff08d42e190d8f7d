import { limits } from "../../limits.ts";
import { credentialValidation } from "../../protocol/credential-validation.ts";
import { ApiError } from "../../protocol/errors.ts";
import { idOf } from "../../protocol/ids.ts";
import { type ValidateParts, validateCredential } from "../../resources/credentials/validate.ts";
import { createTurns } from "../../tools/web/turns.ts";
import { type Route, route } from "../route.ts";
import { managedAgentsBeta } from "../versions.ts";

export function credentialValidationRoutes(parts: ValidateParts): Route[] {
  const turns = createTurns(limits.credential_validations_parallel_max);

  async function takeTurn(): Promise<() => void> {
    return turns.take(AbortSignal.timeout(limits.credential_validation_wait_ms)).catch(() => {
      throw new ApiError("rate_limit_error", "too many credentials are being validated: try again later", {
        headers: { "retry-after": "10" },
      });
    });
  }

  return [
    route({
      beta: managedAgentsBeta,
      method: "POST",
      path: "/v1/vaults/{vault_id}/credentials/{credential_id}/mcp_oauth_validate",
      summary: "See whether an OAuth credential works: its MCP server is asked with it",
      unrepeatable: "it asks servers of others",
      params: { vault_id: idOf("vault"), credential_id: idOf("credential") },
      response: credentialValidation,
      async handle({ db, principal, params: { vault_id, credential_id } }) {
        const end = await takeTurn();
        try {
          return await validateCredential(db, parts, principal.workspaceId, vault_id, credential_id);
        } finally {
          end();
        }
      },
    }),
  ];
}

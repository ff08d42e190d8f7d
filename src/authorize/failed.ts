import { stripVTControlCharacters } from "node:util";
import { limits } from "../limits.ts";

/** Why nothing was authorized, for a person. There is no secret in the message. */
export class NotAuthorized extends Error {
  override readonly name = "NotAuthorized";
}

/** What somebody else's server says, as one line that misleads nobody who reads it in a terminal. */
export const shown = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[^\x20-\x7e\p{L}\p{N}\p{P}\p{S}]+/gu, " ")
    .trim()
    .slice(0, limits.authorize_said_chars_max);

/** Of RFC 6749, 6750, 7591, 8707 and OpenID Connect: any other might be anything. */
const codes = [
  ...[
    "access_denied",
    "consent_required",
    "interaction_required",
    "login_required",
    "account_selection_required",
  ],
  ...[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
  ],
  ...["unauthorized_client", "unsupported_grant_type", "unsupported_response_type", "insufficient_scope"],
  ...["invalid_redirect_uri", "invalid_client_metadata", "server_error", "temporarily_unavailable"],
];

/** An error as OAuth has it, and what is said of it. */
export function shownError(code: string, description: string | null): string {
  const name = codes.includes(code) ? code : "an error";
  const said = description === null ? "" : shown(description);
  return said === "" || said === name ? name : `${name}: ${said}`;
}

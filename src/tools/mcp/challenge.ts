import { limits } from "../../limits.ts";

/**
 * By RFC 6749, section 3.3: what is not of this form is nothing that anybody could ask for. Nor is what a shell would take for
 * more than a text between quotes, where a person copies it to.
 */
const scopes = /^[#%-[\]-_a-~]+(?: [#%-[\]-_a-~]+)*$/;

/** The scopes that a server says a token has to have for what it has refused (RFC 6750, section 3); null where it says none. */
export function scopeWanted(headers: { get(name: string): string | null }): string | null {
  const challenge = headers.get("www-authenticate") ?? "";
  const [, quoted, plain] = /(?:^|[\s,])scope\s*=\s*(?:"([^"]*)"|([^\s,"]+))/i.exec(challenge) ?? [];
  const scope = (quoted ?? plain ?? "").trim();
  return isScope(scope) ? scope : null;
}

export const isScope = (text: string): boolean =>
  scopes.test(text) && text.length <= limits.oauth_text_chars_max;

import { createHash } from "node:crypto";
import type { Answer, Asked } from "./oauth.ts";

/** The part of an authorization server that registers clients, asks a person, and gives a code for what they say. */
export interface FakeAuthorization {
  /** What it was asked, in order. */
  registrations: Record<string, unknown>[];
  pages: URLSearchParams[];
  /** Requests of the grants that are begun with: a code, or the client's own. */
  tokens: (Asked & { form: URLSearchParams })[];
  settings: {
    /** The person says no. */
    denies: boolean;
    /** Beside what it says of itself, or in place of that. */
    metadata: Record<string, unknown>;
    /** What the MCP server says of itself; null: nothing. */
    resource: Record<string, unknown> | null;
    /** Where the browser is sent to, if it is not where the client wants it. */
    sendTo?: (callback: URL) => URL;
    onRegister?: (metadata: Record<string, unknown>) => Answer | null;
    onToken?: (asked: FakeAuthorization["tokens"][number]) => Answer | null;
  };
}

export interface AuthorizationParts {
  base: () => string;
  /** Gives tokens with this scope. */
  grant(scope: string | null): Answer;
}

export function fakeAuthorization({ base, grant }: AuthorizationParts): {
  authorization: FakeAuthorization;
  /** Null: it is none of its requests. */
  answer(asked: Asked): Answer | null;
} {
  const codes = new Map<string, URLSearchParams>();
  const authorization: FakeAuthorization = {
    registrations: [],
    pages: [],
    tokens: [],
    settings: { denies: false, metadata: {}, resource: {} },
  };
  const { settings } = authorization;

  function page(asked: URLSearchParams): Answer {
    authorization.pages.push(asked);
    const callback = new URL(asked.get("redirect_uri") ?? "");
    callback.searchParams.set("state", asked.get("state") ?? "");
    if (settings.denies) {
      callback.searchParams.set("error", "access_denied");
      callback.searchParams.set("error_description", "not \u001b[31mtoday");
    } else {
      const code = `code-${codes.size}-of-the-fake`;
      codes.set(code, asked);
      callback.searchParams.set("code", code);
    }
    return { status: 302, headers: { location: (settings.sendTo?.(callback) ?? callback).href } };
  }

  function token(form: URLSearchParams): Answer {
    if (form.get("grant_type") === "client_credentials") return grant(form.get("scope"));
    const asked = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isRight =
      asked?.get("code_challenge") === challenge &&
      asked.get("redirect_uri") === form.get("redirect_uri") &&
      asked.get("resource") === form.get("resource");
    return isRight ? grant(asked.get("scope")) : { status: 400, body: { error: "invalid_grant" } };
  }

  return {
    authorization,
    answer(asked) {
      const { pathname, searchParams } = new URL(asked.path, base());
      switch (pathname) {
        case "/.well-known/oauth-protected-resource/mcp":
          return settings.resource
            ? {
                body: { resource: `${base()}/mcp`, authorization_servers: [base()], ...settings.resource },
              }
            : { status: 404 };
        case "/.well-known/oauth-authorization-server":
          return {
            body: {
              issuer: base(),
              authorization_endpoint: `${base()}/authorize`,
              token_endpoint: `${base()}/token`,
              registration_endpoint: `${base()}/register`,
              response_types_supported: ["code"],
              code_challenge_methods_supported: ["S256"],
              token_endpoint_auth_methods_supported: ["none", "client_secret_basic"],
              ...settings.metadata,
            },
          };
        case "/register": {
          const metadata = JSON.parse(asked.text) as Record<string, unknown>;
          authorization.registrations.push(metadata);
          const client_id = `client-${authorization.registrations.length}`;
          return settings.onRegister?.(metadata) ?? { status: 201, body: { client_id, ...metadata } };
        }
        case "/authorize":
          return page(searchParams);
        case "/token": {
          const form = new URLSearchParams(asked.text);
          if (form.get("grant_type") === "refresh_token") return null;
          authorization.tokens.push({ ...asked, form });
          return settings.onToken?.({ ...asked, form }) ?? token(form);
        }
        default:
          return null;
      }
    },
  };
}

import type { FetchLike } from "@modelcontextprotocol/client";
import { limits } from "../../limits.ts";
import { type Guard, loadUndici, refusalIn } from "../../net/guard.ts";
import { createRedactor, type Redactor } from "../../vault/redact.ts";
import { CredentialUnusable, type McpBearer, type McpBearers } from "../../vault/secrets.ts";
import { boundedBody } from "./bounded-body.ts";
import { scopeWanted } from "./challenge.ts";

/** The server will not have us: there is no credential, or none that it takes. The message holds no secret. */
export class Unauthorized extends Error {
  override readonly name = "Unauthorized";
}

/** What to send could not be looked up, so nothing was sent. */
export class BearerUnknown extends Error {
  override readonly name = "BearerUnknown";
}

/** The requests of one connection to an MCP server. */
export interface Requests {
  /** As a transport of the protocol wants it. Each goes through the guard, which judges its address. */
  fetch: FetchLike;
  /** Takes out what was sent to the server as a secret. */
  redactor(): Redactor;
  /** Why the server would not have us, when it was asked last. */
  refusal(): Unauthorized | null;
}

export interface RequestParts {
  guard: Pick<Guard, "fetch">;
  bearers: McpBearers;
  workspace_id: string;
  session_id: string;
  url: URL;
}

/**
 * I1. The bearer goes to the origin of the server's URL alone: no redirect is followed here, and none carries it elsewhere.
 * I2. It is looked up anew after `limits.credentials_believed_ms`, so that one which was changed or archived is not used on.
 * I3. What comes back is bounded, however long it goes on.
 */
export function createRequests({
  guard,
  bearers,
  workspace_id,
  session_id,
  url: server,
}: RequestParts): Requests {
  /** By the clock of `performance`, which nobody sets back. */
  let believed: { bearer: McpBearer | null; until: number } | null = null;
  let refused: Unauthorized | null = null;
  const sent = new Set<string>();

  async function bearerOf(url: URL): Promise<McpBearer | null> {
    if (url.origin !== server.origin) return null;
    if (!believed || performance.now() >= believed.until) {
      const bearer = await bearers.find(workspace_id, session_id, server.href).catch(notFound);
      believe(bearer);
    }
    return believed?.bearer ?? null;
  }

  function believe(bearer: McpBearer | null): void {
    believed = { bearer, until: performance.now() + limits.credentials_believed_ms };
    if (bearer) sent.add(bearer.token);
  }

  function refuse(message: string): Unauthorized {
    refused = new Unauthorized(message);
    return refused;
  }

  /** What the database says of itself is not for the client. */
  function notFound(error: unknown): never {
    if (error instanceof CredentialUnusable) throw refuse(error.message);
    throw new BearerUnknown("this server could not look for the session's credential");
  }

  async function ask(url: URL, init: RequestInit | undefined, bearer: McpBearer | null) {
    const headers = new Headers(init?.headers);
    if (bearer) headers.set("authorization", `Bearer ${bearer.token}`);
    const note = (outcome: string) =>
      bearer && bearers.note(workspace_id, session_id, bearer, url.host, outcome);
    try {
      const response = await guard.fetch(url, {
        ...(init as object),
        headers: Object.fromEntries(headers),
        redirect: "manual",
      });
      note(`sent ${response.status}`);
      return response;
    } catch (error) {
      note(refusalIn(error) ?? "sent");
      throw error;
    }
  }

  async function answer(url: URL, init: RequestInit | undefined) {
    const bearer = await bearerOf(url);
    const response = await ask(url, init, bearer);
    if (response.status !== 401 || !bearer) return { response, bearer };
    await response.body?.cancel();
    const newer = await bearers.renew(workspace_id, session_id, bearer).catch(notFound);
    if (!newer) throw refuse("the server refuses the credential (401), and there is no newer one");
    believe(newer);
    return { response: await ask(url, init, newer), bearer: newer };
  }

  return {
    async fetch(address, init) {
      refused = null;
      const { response, bearer } = await answer(new URL(address), init);
      const { status, headers, body } = response;
      if (status === 401 || status === 403) {
        await body?.cancel();
        believed = null;
        const scope = scopeWanted(headers);
        const scopes = scope === null ? "" : ` with the scope "${scope}"`;
        throw refuse(
          bearer
            ? `the server refuses the credential (${status})${scopes && `: it wants one${scopes}`}`
            : `the server wants a credential (${status})${scopes}, and none of the session's vaults has one for it`,
        );
      }
      refused = null;
      const type = headers.get("content-type")?.trim().toLowerCase();
      const isStream = type?.startsWith("text/event-stream") ?? false;
      const bounded = body && boundedBody(body, isStream);
      const undici = await loadUndici();
      return new undici.Response(bounded, { status, headers });
    },
    redactor: () => createRedactor([...sent].map((secret) => ({ secret }))),
    refusal: () => refused,
  };
}

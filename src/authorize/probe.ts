import * as library from "@modelcontextprotocol/client";
import { limits } from "../limits.ts";
import { scopeWanted } from "../tools/mcp/challenge.ts";
import { connect } from "../tools/mcp/connection.ts";

export type Probe =
  | { status: "taken"; tools: number }
  | {
      /** The server wants a credential, or another one. */
      status: "refused";
      http_status: number;
      scope: string | null;
      /** Where it says what it is and who authorizes for it; null where it does not say where. */
      metadata_url: URL | null;
    };

export interface ProbeParts {
  ask: library.FetchLike;
  server: URL;
  /** Of this program. */
  version: string;
}

/** Does with an MCP server what a session does first, with a token or without: introduces itself, and asks for the tools. */
export async function probe({ ask, server, version }: ProbeParts, token: string | null): Promise<Probe> {
  let refused: Probe | null = null;
  const fetch: library.FetchLike = async (address, init) => {
    const headers = new Headers(init?.headers);
    if (token !== null && new URL(address).origin === server.origin)
      headers.set("authorization", `Bearer ${token}`);
    const response = await ask(address, { ...init, headers });
    if (response.status !== 401 && response.status !== 403) return response;
    await response.body?.cancel();
    refused = {
      status: "refused",
      http_status: response.status,
      scope: scopeWanted(response.headers),
      metadata_url: library.extractWWWAuthenticateParams(response).resourceMetadataUrl ?? null,
    };
    throw new Error(`the server answers ${response.status}`);
  };
  const signal = AbortSignal.timeout(limits.credential_probe_ms);
  const opening = {
    library,
    requests: { fetch },
    url: server,
    version,
    call_ms: limits.credential_probe_ms,
    elicitation: "decline" as const,
    onChanged() {},
  };
  try {
    const connection = await connect(opening, signal);
    try {
      return { status: "taken", tools: (await connection.list(signal)).length };
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (refused) return refused;
    throw error;
  }
}

import type { Response } from "undici";
import { z } from "zod";
import { limits } from "../limits.ts";
import type { Guard } from "../net/guard.ts";
import { type CapturedResponse, capture, readBody } from "./captured.ts";
import { dataOfEvents } from "./server-sent.ts";

/** How an MCP server took an access token. */
export type Probe =
  | { status: "accepted" }
  | {
      status: "failed";
      /** The method that failed. */
      method: string;
      /** The error that it was answered with; null where none came. */
      http_response: CapturedResponse | null;
    };

export interface ProbeRequest {
  url: string;
  token: string;
  /** Of the server, by which it names itself. */
  version: string;
  /** Beside the token: what is not to be shown of an answer. */
  secrets: readonly string[];
}

const initialized = z.object({ protocolVersion: z.string().regex(/^[\x21-\x7e]{1,100}$/) });
const rpcAnswer = z.object({
  id: z.union([z.number(), z.string()]),
  result: z.unknown().optional(),
  error: z.object({ code: z.number() }).optional(),
});
type RpcAnswer = z.infer<typeof rpcAnswer>;

/** What a server without tools says when it is asked for them. */
const methodNotFound = -32601;

/** A message that no client would send by itself: whoever answers it so takes nothing by POST, as servers of older days. */
const wantsOldTransport = [400, 404, 405, 406, 415, 501];

/**
 * Introduces itself to an MCP server with the token and asks for its tools: streamable HTTP, or, of the transport before that,
 * only whether its stream opens. The token goes to the URL's own origin alone.
 */
export async function probeMcp(guard: Guard, request: ProbeRequest): Promise<Probe> {
  const secrets = [request.token, ...request.secrets];
  const session: Record<string, string> = {};
  const inTime = AbortSignal.timeout(limits.credential_probe_ms);

  const ask = (method: "POST" | "GET" | "DELETE", body: object | null, signal = inTime): Promise<Response> =>
    sameOrigin(guard, request.url, {
      method,
      headers: {
        accept: method === "GET" ? "text/event-stream" : "application/json, text/event-stream",
        authorization: `Bearer ${request.token}`,
        "user-agent": `Drover/${request.version}`,
        ...(body && { "content-type": "application/json" }),
        ...session,
      },
      body: body && JSON.stringify(body),
      redirect: "manual",
      signal,
    });
  const call = (id: number, method: string, params: object) =>
    ask("POST", { jsonrpc: "2.0", id, method, params });
  const failed = async (method: string, response: Response | null): Promise<Probe> => ({
    status: "failed",
    method,
    http_response: response && (await capture(response, secrets)),
  });

  /** What a server says that may have a stream as there was before streamable HTTP; null where it has none. */
  async function openStream(method: string): Promise<Probe | null> {
    const response = await ask("GET", null);
    if ([401, 403].includes(response.status)) return failed(method, response);
    await response.body?.cancel();
    return response.ok && typeOf(response) === "text/event-stream" ? { status: "accepted" } : null;
  }

  let method = "initialize";
  try {
    const clientInfo = { name: "drover", version: request.version };
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
    const first = await call(1, method, params);
    if (!first.ok) {
      const answer = await failed(method, first);
      return (wantsOldTransport.includes(first.status) && (await openStream(method))) || answer;
    }
    const sessionId = first.headers.get("mcp-session-id");
    if (sessionId !== null) session["mcp-session-id"] = sessionId;
    const hello = initialized.safeParse((await answerIn(first, 1))?.result);
    if (!hello.success) return await failed(method, null);
    session["mcp-protocol-version"] = hello.data.protocolVersion;
    try {
      const noticed = await ask("POST", { jsonrpc: "2.0", method: "notifications/initialized" });
      await noticed.body?.cancel();
      method = "tools/list";
      const second = await call(2, method, {});
      if (!second.ok) return await failed(method, second);
      const error = (await answerIn(second, 2))?.error;
      return error && error.code !== methodNotFound ? await failed(method, null) : { status: "accepted" };
    } finally {
      // Servers that know nothing of it answer with an error, and none of that matters.
      if (sessionId !== null)
        await ask("DELETE", null, AbortSignal.timeout(limits.credential_goodbye_ms)).then(
          (response) => response.body?.cancel(),
          () => {},
        );
    }
  } catch {
    return failed(method, null);
  }
}

/** Follows redirects within the origin, as from `/mcp` to `/mcp/`; what leads elsewhere is the answer. */
async function sameOrigin(
  guard: Guard,
  first: string,
  init: Parameters<Guard["fetch"]>[1],
): Promise<Response> {
  let url = new URL(first);
  for (let redirects = 0; ; redirects += 1) {
    const response = await guard.fetch(url, init);
    const location = [307, 308].includes(response.status) ? response.headers.get("location") : null;
    const to = location !== null && URL.canParse(location, url.href) ? new URL(location, url) : null;
    if (to?.origin !== url.origin || redirects === limits.credential_probe_redirects_max) return response;
    await response.body?.cancel();
    url = to;
  }
}

const typeOf = ({ headers }: Response): string =>
  (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";

/** What was answered to the call with this id; null where that is not to be found in what is read of it. */
async function answerIn(response: Response, id: number): Promise<RpcAnswer | null> {
  if (response.body === null) return null;
  if (typeOf(response) !== "text/event-stream") {
    const { bytes } = await readBody(response, limits.credential_probe_bytes_max);
    return answerOf(bytes.toString(), id);
  }
  for await (const data of dataOfEvents(response.body, limits.credential_probe_bytes_max)) {
    const answer = answerOf(data, id);
    if (answer !== null) return answer;
  }
  return null;
}

function answerOf(text: string, id: number): RpcAnswer | null {
  try {
    const answer = rpcAnswer.parse(JSON.parse(text));
    return answer.id === id ? answer : null;
  } catch {
    return null;
  }
}

import type { SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Elicitation } from "../../config/mcp.ts";
import { limits } from "../../limits.ts";
import { type Answers, createAnswers } from "./answers.ts";
import { whenEnded } from "./bounded-body.ts";
import { type CallResult, callResult } from "./content.ts";
import { answerWithDefaults } from "./elicitation.ts";
import { toolsPage } from "./listing.ts";
import type { Requests } from "./requests.ts";

/** The protocol's library, which is loaded when the first session needs it. */
export type Library = typeof import("@modelcontextprotocol/client");

/** A connection to an MCP server, for one session. */
export interface Connection {
  /** All tools that it offers, as it sends them. */
  list(signal: AbortSignal): Promise<unknown[]>;
  /** Rejects with `Lost` where nobody can say what became of the call, and with `Expired`. */
  call(tool: string, input: Record<string, unknown>, signal: AbortSignal): Promise<CallResult>;
  /** It is of no use any more. */
  isGone(): boolean;
  /** Ends it, and says so to the server. */
  close(): Promise<void>;
}

/** The connection broke while the call ran. */
export class Lost extends Error {
  override readonly name = "Lost";
}

/** The server does not know the connection any more: what it was asked it has not begun. */
export class Expired extends Error {
  override readonly name = "Expired";
}

export interface Opening {
  library: Library;
  requests: Pick<Requests, "fetch">;
  url: URL;
  /** Of this server. */
  version: string;
  /** How long a call may take without a word of its progress. */
  call_ms: number;
  elicitation: Elicitation;
  /** The MCP server says that it has other tools now. */
  onChanged(): void;
}

/** By the newer of the protocol's transports, or by the older one where the server knows no other. */
export async function connect(opening: Opening, signal: AbortSignal): Promise<Connection> {
  try {
    return await over(streamable, opening, signal);
  } catch (error) {
    if (signal.aborted || !takesNoPost(error, opening.library)) throw error;
    return await over(eventStream, opening, signal);
  }
}

const takesNoPost = (error: unknown, { SdkHttpError }: Library): boolean =>
  error instanceof SdkHttpError && [400, 404, 405, 406, 415, 501].includes(error.status);

type Transport = StreamableHTTPClientTransport | SSEClientTransport;
type Way = (opening: Opening, answers: Answers, ended: () => void) => Transport;

const streamable: Way = ({ library, requests, url }, answers) =>
  new library.StreamableHTTPClientTransport(url, {
    fetch: answers.watched(requests.fetch),
    reconnectionOptions: {
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: limits.mcp_retry_ms_max,
      reconnectionDelayGrowFactor: 1.5,
      maxRetries: 2,
    },
    reconnectionScheduler: answers.schedule,
  });

/** Its one stream is the connection: what asks for it again would speak with a server that knows nothing of what was said. */
const eventStream: Way = ({ library, requests, url }, _, ended) => {
  let stands = false;
  return new library.SSEClientTransport(url, {
    async fetch(address, init) {
      if ((init?.method ?? "GET") !== "GET") return requests.fetch(address, init);
      if (stands) {
        ended();
        throw new Error("the server ended the connection");
      }
      const response = await requests.fetch(address, init);
      const { status, headers, body } = response;
      if (!response.ok || !body) return response;
      stands = true;
      return new Response(whenEnded(body, ended), { status, headers });
    },
  });
};

async function over(way: Way, opening: Opening, signal: AbortSignal): Promise<Connection> {
  const { library, onChanged, version, call_ms, elicitation } = opening;
  const answers = createAnswers();
  const client = new library.Client(
    { name: "drover", title: "Drover", version },
    // Who always declines does not say that it could be asked.
    {
      capabilities: elicitation === "defaults" ? { elicitation: { form: {} } } : {},
      // What a server says of the form of its results is not compiled to code, and not held against it.
      jsonSchemaValidator: {
        getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }),
      },
    },
  );
  let closed = false;
  client.onclose = () => {
    closed = true;
  };
  client.fallbackRequestHandler = async (request) => answerTo(request, opening);
  client.setNotificationHandler("notifications/tools/list_changed", async () => onChanged());
  const transport = way(opening, answers, () => void client.close());
  answers.watch(transport);
  try {
    // The older way waits for the first word of the server without a limit.
    await Promise.race([client.connect(transport, { signal }), aborted(signal)]);
  } catch (error) {
    await client.close();
    await transport.close();
    throw error;
  }

  return {
    async list(until) {
      const tools: unknown[] = [];
      if (!client.getServerCapabilities()?.tools) return tools;
      const options = { signal: until, timeout: limits.mcp_list_ms };
      let cursor: string | undefined;
      for (let page = 0; page < limits.mcp_pages_max && tools.length <= limits.mcp_tools_max; page += 1) {
        const params = cursor === undefined ? {} : { cursor };
        const answer = await client.request({ method: "tools/list", params }, toolsPage, options);
        tools.push(...answer.tools.slice(0, limits.mcp_tools_looked_at_max));
        cursor = answer.nextCursor;
        if (cursor === undefined) break;
      }
      return tools;
    },
    async call(name, input, until) {
      const params = { name, arguments: input };
      try {
        return await client.request({ method: "tools/call", params }, callResult, {
          signal: until,
          timeout: call_ms,
          maxTotalTimeout: limits.mcp_call_ms_max,
          resetTimeoutOnProgress: true,
          onprogress() {},
        });
      } catch (error) {
        const loss = answers.lossIn(error);
        if (loss !== null) throw new Lost(loss);
        if (error instanceof library.SdkError && error.code === library.SdkErrorCode.ConnectionClosed)
          throw new Lost("the connection to the server ended");
        const hasSession = "sessionId" in transport && transport.sessionId !== undefined;
        if (hasSession && isUnknownSession(error, library))
          throw new Expired("the server has ended the connection");
        throw error;
      }
    },
    isGone: () => closed,
    async close() {
      if (closed) return;
      await answers.said();
      if ("terminateSession" in transport)
        await Promise.race([transport.terminateSession().catch(() => {}), passed(limits.mcp_goodbye_ms)]);
      await client.close();
    },
  };
}

export const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** By the protocol a 404; some servers that were made before it said so answer 400. */
function isUnknownSession(error: unknown, { SdkHttpError }: Library): boolean {
  if (!(error instanceof SdkHttpError)) return false;
  return error.status === 404 || (error.status === 400 && /session/i.test(error.message));
}

/** What a server may ask of whoever calls it: nobody is there to be asked, and no model is lent out. */
function answerTo(
  { method, params }: { method: string; params?: unknown },
  { library: { ProtocolError, ProtocolErrorCode }, elicitation }: Opening,
): Record<string, unknown> {
  switch (method) {
    case "elicitation/create":
      return elicitation === "defaults" ? answerWithDefaults(params) : { action: "decline" };
    case "roots/list":
      return { roots: [] };
    case "sampling/createMessage":
      throw new ProtocolError(-1, "The user's side lends no model out.");
    default:
      throw new ProtocolError(ProtocolErrorCode.MethodNotFound, "Method not found");
  }
}

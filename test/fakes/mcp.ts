import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bodyOf } from "../../src/net/testing-body.ts";

/** A tool of the fake, and what it does. */
export interface FakeTool {
  name: string;
  description?: string;
  inputSchema?: unknown;
  annotations?: Record<string, unknown>;
  run?(input: Record<string, unknown>, call: FakeCall): unknown;
}

/** One call, while it runs. */
export interface FakeCall {
  /** Reports progress, if the client wants to hear of it. */
  progress(progress: number): void;
  /** Asks the client something, and resolves with its whole answer. */
  ask(method: string, params?: object): Promise<Message>;
  notify(method: string, params?: object): void;
  /** Resolves when the client has taken the call back. */
  cancelled: Promise<void>;
  /** Cuts the connection, without an answer. */
  cut(): void;
}

export interface Message {
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string };
}

/** What reached the server: a message, or a request that brought none. */
export interface Reached {
  verb: string;
  path: string;
  method: string | null;
  params: Record<string, unknown> | undefined;
  authorization: string | null;
}

export interface FakeMcp {
  url: string;
  port: number;
  tools: FakeTool[];
  /** Offered as it is, beside the tools: for what no tool should be. */
  raw: unknown[];
  /** The only bearer that it takes; null takes any and none. */
  token: string | null;
  reached: Reached[];
  /** How many tools a page has. */
  page: number;
  /** Says to everybody who listens that it has other tools now; resolves when they have heard it. */
  sayChanged(): Promise<void>;
  /** Knows none of its sessions any more. */
  forget(): void;
  /** Streams and sessions that are open. */
  open(): { streams: number; sessions: number };
  /** How often a tool was called. */
  calls(tool: string): number;
  /** Answers a request itself, and says that it has. */
  intercept: ((request: IncomingMessage, response: ServerResponse, body: string) => boolean) | null;
  close(): Promise<void>;
}

interface Options {
  /** `sse` is that of 2024-11-05. */
  transport?: "streamable" | "sse";
  /** How it answers where it may choose. */
  answers?: "json" | "stream";
  port?: number;
  host?: string;
}

/** An MCP server with the tools of a test, at a port of its own. */
export async function startFakeMcp(tools: FakeTool[], options: Options = {}): Promise<FakeMcp> {
  const { transport = "streamable", answers = "stream" } = options;
  const path = transport === "sse" ? "/sse" : "/mcp";
  const sessions = new Set<string>();
  const streams = new Map<string, ServerResponse>();
  const asked = new Map<string, (message: Message) => void>();
  const cancels = new Map<string | number, () => void>();
  const fake: FakeMcp = {
    url: "",
    port: 0,
    tools,
    raw: [],
    token: null,
    reached: [],
    page: 50,
    intercept: null,
    async sayChanged() {
      for (const stream of streams.values()) {
        say(stream, { jsonrpc: "2.0", method: "notifications/tools/list_changed" });
        const id = randomUUID();
        const heard = new Promise((resolve) => asked.set(id, resolve));
        say(stream, { jsonrpc: "2.0", id, method: "ping" });
        await heard;
      }
    },
    forget: () => sessions.clear(),
    open: () => ({ streams: streams.size, sessions: sessions.size }),
    calls: (tool) =>
      fake.reached.filter(({ method, params }) => method === "tools/call" && params?.name === tool).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const server = createServer(async (request, response) => {
    const body = (await bodyOf(request))?.toString();
    if (body === undefined) return;
    const message: Message | null = body === "" ? null : JSON.parse(body);
    fake.reached.push({
      verb: request.method ?? "",
      path: request.url ?? "",
      method: message?.method ?? null,
      params: message?.params,
      authorization: request.headers.authorization ?? null,
    });
    if (fake.intercept?.(request, response, body)) return;
    if (fake.token !== null && request.headers.authorization !== `Bearer ${fake.token}`)
      return response.writeHead(401, { "www-authenticate": "Bearer" }).end("who are you?");
    if (transport === "sse") return oldWay(request, response, message);
    return newWay(request, response, message);
  });

  function newWay(request: IncomingMessage, response: ServerResponse, message: Message | null) {
    if (!request.url?.startsWith(path)) return response.writeHead(404).end();
    const id = String(request.headers["mcp-session-id"] ?? "");
    const known = sessions.has(id);
    if (message?.method !== "initialize" && !known) return response.writeHead(404).end("no such session");
    if (request.method === "GET") return openStream(id, response);
    if (request.method === "DELETE") {
      sessions.delete(id);
      streams.get(id)?.end();
      return response.writeHead(200).end();
    }
    if (!message) return response.writeHead(400).end();
    if (message.id === undefined || message.method === undefined) {
      hear(message);
      return response.writeHead(202).end();
    }
    const headers: Record<string, string> = {};
    if (message.method === "initialize") {
      const fresh = randomUUID();
      sessions.add(fresh);
      headers["mcp-session-id"] = fresh;
    }
    if (answers === "json" && message.method !== "tools/call") {
      response.writeHead(200, { ...headers, "content-type": "application/json" });
      return void answerTo(message, response, null).then((answer) => response.end(JSON.stringify(answer)));
    }
    response.writeHead(200, { ...headers, "content-type": "text/event-stream" });
    response.flushHeaders();
    return void answerTo(message, response, response).then((answer) => {
      say(response, answer);
      response.end();
    });
  }

  function oldWay(request: IncomingMessage, response: ServerResponse, message: Message | null) {
    if (request.method === "GET" && request.url === path) {
      const id = randomUUID();
      sessions.add(id);
      openStream(id, response);
      return response.write(`event: endpoint\ndata: /messages?session=${id}\n\n`);
    }
    const id = new URL(request.url ?? "", "http://x").searchParams.get("session") ?? "";
    const stream = streams.get(id);
    if (request.method !== "POST" || !stream || !message) return response.writeHead(405).end();
    response.writeHead(202).end();
    if (message.id === undefined || message.method === undefined) return hear(message);
    return void answerTo(message, stream, stream).then((answer) => say(stream, answer));
  }

  function openStream(id: string, response: ServerResponse) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    streams.set(id, response);
    response.on("close", () => streams.get(id) === response && streams.delete(id));
  }

  function hear(message: Message): void {
    if (message.method === "notifications/cancelled") cancels.get(String(message.params?.requestId))?.();
    if (message.id !== undefined) asked.get(String(message.id))?.(message);
  }

  async function answerTo(
    message: Message,
    cut: ServerResponse,
    stream: ServerResponse | null,
  ): Promise<object> {
    const about = { jsonrpc: "2.0", id: message.id };
    try {
      return { ...about, result: await resultOf(message, cut, stream) };
    } catch (error) {
      return { ...about, error: { code: -32_602, message: (error as Error).message } };
    }
  }

  async function resultOf(
    { id = "", method, params = {} }: Message,
    cut: ServerResponse,
    stream: ServerResponse | null,
  ) {
    switch (method) {
      case "initialize":
        return {
          protocolVersion: transport === "sse" ? "2024-11-05" : "2025-11-25",
          capabilities: { tools: { listChanged: true } },
          serverInfo: { name: "fake", version: "1" },
        };
      case "tools/list": {
        const all = [
          ...fake.tools.map(({ run: _, ...tool }) => ({ inputSchema: { type: "object" }, ...tool })),
          ...fake.raw,
        ];
        const from = Number(params.cursor ?? 0);
        const next = from + fake.page;
        return { tools: all.slice(from, next), ...(next < all.length && { nextCursor: String(next) }) };
      }
      case "tools/call": {
        const tool = fake.tools.find(({ name }) => name === params.name);
        if (!tool) throw new Error(`Unknown tool: ${params.name}`);
        const { promise: cancelled, resolve } = Promise.withResolvers<void>();
        cancels.set(String(id), resolve);
        const token = (params._meta as { progressToken?: unknown } | undefined)?.progressToken;
        const notify = (method: string, params: object = {}) =>
          stream && say(stream, { jsonrpc: "2.0", method, params });
        const result = await tool.run?.((params.arguments ?? {}) as Record<string, unknown>, {
          cancelled,
          cut: () => cut.destroy(),
          notify,
          progress: (progress) =>
            token !== undefined && notify("notifications/progress", { progressToken: token, progress }),
          ask(method, params = {}) {
            const id = randomUUID();
            if (stream) say(stream, { jsonrpc: "2.0", id, method, params });
            return new Promise((resolve) => asked.set(id, resolve));
          },
        });
        return typeof result === "string"
          ? { content: [{ type: "text", text: result }] }
          : (result ?? { content: [] });
      }
      default:
        throw new Error(`Method not found: ${method}`);
    }
  }

  await new Promise<void>((resolve) =>
    server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve),
  );
  fake.port = (server.address() as AddressInfo).port;
  fake.url = `http://127.0.0.1:${fake.port}${path}`;
  return fake;
}

const say = (stream: ServerResponse, message: object) =>
  stream.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);

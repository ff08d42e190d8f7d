import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type RequestInit, Response } from "undici";
import { createGuard, type Guard } from "../../net/guard.ts";
import { bodyOf } from "../../net/testing-body.ts";
import type { AgentFacts } from "../session.ts";
import { testAgent } from "../testing.ts";
import type { McpServerName, PlannedMcp, PlannedTake } from "./plan.ts";
import type { Movement, Turns } from "./turns.ts";

/** The process that asks a server. */
export interface Asker {
  boundary(where: string): Promise<unknown>;
  /** A boundary while its call runs. Resolves when what has come in between has ended the call, if it does. */
  pause(where: string, ended: AbortSignal): Promise<unknown>;
}

/** The MCP servers of a play's agent, at a port of this machine. */
export interface McpServers {
  /** Of the calls that servers have begun, by the ids that the model gave them: which tool, and how often. */
  begun: Map<string, { tool: string; times: number }>;
  /** Sends a request of the process on, as the plan wants it. */
  fetch(url: string | URL, init: RequestInit | undefined, asker: Asker): ReturnType<Guard["fetch"]>;
  close(): Promise<void>;
}

export const mcpServerNames: McpServerName[] = ["open", "asking"];

/** What its tools say of themselves. */
export const annotations: Record<string, Record<string, boolean>> = {
  reads: { readOnlyHint: true },
  repeats: { readOnlyHint: false, idempotentHint: true },
  destroys: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
  plain: {},
};

/** One server's tools may be used by anybody, those of the other one wait for the client. */
export const mcpAgent: AgentFacts = {
  ...testAgent,
  mcp_servers: mcpServerNames.map((name) => ({ name, url: `http://${name}.example/mcp` })),
  tools: [
    ...testAgent.tools,
    ...mcpServerNames.map((name) => ({
      type: "mcp_toolset" as const,
      mcp_server_name: name,
      configs: [{ name: "off", enabled: false, permission_policy: { type: "always_allow" as const } }],
      default_config: {
        enabled: true,
        permission_policy: { type: name === "open" ? ("always_allow" as const) : ("always_ask" as const) },
      },
    })),
  ],
};

interface Message {
  id?: string | number;
  method?: string;
  params?: { name?: string; arguments?: Record<string, unknown>; requestId?: string | number };
}

/** A request on its way: how it is to be taken, and by whom it was sent. */
interface Sent {
  take: PlannedTake;
  asker: Asker;
  movement: Movement;
}

/** Whatever they say, they say with what they were sent as a credential, and with `secret`. */
export async function startMcpServers(
  plan: PlannedMcp,
  { turns, secret, trace }: { turns: Turns; secret: string; trace: string[] },
): Promise<McpServers> {
  const guard = createGuard({ allow_private_hosts: ["127.0.0.0/8"] });
  const greetings = { open: [...plan.open], asking: [...plan.asking] };
  const versions = { open: 0, asking: 0 };
  const attempts = new Map<string, number>();
  const begun: McpServers["begun"] = new Map();
  const sent = new Map<string, Sent>();
  const streams = new Map<Asker, Map<McpServerName, ServerResponse>>();
  const cancels = new Map<string, () => void>();
  const pongs = new Map<string, () => void>();
  let requests = 0;
  let connections = 0;

  function taken(name: McpServerName, { method, params }: Message): PlannedTake {
    if (method !== "tools/call") return greetings[name].shift() ?? "well";
    const { call, takes } = params?.arguments ?? {};
    const attempt = attempts.get(String(call)) ?? 0;
    attempts.set(String(call), attempt + 1);
    return (takes as PlannedTake[] | undefined)?.[attempt] ?? "well";
  }

  async function fetch(address: string | URL, init: RequestInit | undefined, asker: Asker) {
    const name = new URL(address).hostname.split(".")[0] as McpServerName;
    const message: Message = typeof init?.body === "string" ? JSON.parse(init.body) : {};
    const isAsked = message.method !== undefined && message.id !== undefined;
    if (isAsked) await asker.boundary(`before it sends ${message.method} to ${name}`);
    const take = isAsked ? taken(name, message) : "well";
    if (isAsked) trace.push(`${message.method} to ${name}: ${take}`);
    const movement = turns.begin();
    const key = String(++requests);
    sent.set(key, { take, asker, movement });
    try {
      const headers = { ...(init?.headers as Record<string, string>), "x-play": key };
      const host = take === "refused" ? "127.0.0.2" : "127.0.0.1";
      const response = await guard.fetch(`http://${host}:${port}/${name}`, { ...init, headers });
      const isStream = init?.method === "GET" && response.ok;
      return isStream ? response : await whole(response);
    } finally {
      sent.delete(key);
      movement.end();
    }
  }

  const server = createServer(async (request, response) => {
    const body = (await bodyOf(request))?.toString();
    if (body === undefined) return;
    const name = request.url?.slice(1) as McpServerName;
    const about = sent.get(String(request.headers["x-play"]));
    if (!about) return response.destroy();
    const message: Message = body === "" ? {} : JSON.parse(body);
    if (request.method === "DELETE") return response.end();
    if (request.method === "GET") return listen(name, about.asker, request, response);
    if (message.method === undefined || message.id === undefined) {
      if (message.method === "notifications/cancelled")
        cancels.get(`${request.headers["mcp-session-id"]} ${message.params?.requestId}`)?.();
      else if (message.method === undefined) pongs.get(String(message.id))?.();
      return response.writeHead(202).end();
    }
    await answer(name, message, about, request, response).catch(() => response.destroy());
  });

  function listen(
    name: McpServerName,
    asker: Asker,
    { headers }: IncomingMessage,
    response: ServerResponse,
  ): void {
    if (!headers["mcp-session-id"]) return void response.writeHead(405).end();
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    streams.set(asker, (streams.get(asker) ?? new Map()).set(name, response));
  }

  async function answer(
    name: McpServerName,
    message: Message,
    about: Sent,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { take, asker } = about;
    const said = `${request.headers.authorization} ${secret}`;
    const isCall = message.method === "tools/call";
    if (take === "unauthorized") {
      const challenge = `Bearer error="insufficient_scope", scope="${request.headers.authorization}"`;
      return void response.writeHead(401, { "www-authenticate": challenge }).end(said);
    }
    if (take === "forgotten" && request.headers["mcp-session-id"])
      return void response.writeHead(404).end(`no session ${said}`);
    if (isCall) await begin(name, message, about, request, response);
    if (take === "failing" || take === "forgotten") return void response.writeHead(500).end(said);
    if (take === "cut") return void response.destroy();
    if (take === "other_tools") {
      versions[name] += 1;
      if (isCall) await tellChanged(name, asker);
    }
    const about_it = { jsonrpc: "2.0", id: message.id };
    const text = JSON.stringify(
      take === "error"
        ? { ...about_it, error: { code: -32_000, message: `no: ${said}` } }
        : { ...about_it, result: resultOf(name, message, take, said) },
    );
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (message.method === "initialize") headers["mcp-session-id"] = String(++connections);
    response.writeHead(200, headers);
    if (take !== "cut_late") return void response.end(text);
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  }

  /** The call is made by then, whatever comes of it. */
  async function begin(
    name: McpServerName,
    { id, params }: Message,
    { asker, movement }: Sent,
    { headers }: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { call, pauses } = params?.arguments ?? {};
    const times = (begun.get(String(call))?.times ?? 0) + 1;
    begun.set(String(call), { tool: params?.name ?? "", times });
    const ended = new AbortController();
    response.on("close", () => ended.abort());
    cancels.set(`${headers["mcp-session-id"]} ${id}`, () => ended.abort());
    for (let left = Number(pauses ?? 0); left > 0 && !ended.signal.aborted; left -= 1)
      await movement.resting(() => asker.pause(`while ${name} runs ${call}`, ended.signal));
  }

  function resultOf(
    name: McpServerName,
    { method, params }: Message,
    take: PlannedTake,
    said: string,
  ): Record<string, unknown> {
    if (method === "initialize") {
      const serverInfo = { name, version: "1" };
      return { protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } }, serverInfo };
    }
    if (method === "tools/list") return { tools: offered(versions[name], said) };
    const text = `ran ${params?.arguments?.call}: ${said}`;
    return { content: [{ type: "text", text }], isError: take === "tool_error" };
  }

  /** Resolves when the process has heard it. */
  async function tellChanged(name: McpServerName, asker: Asker): Promise<void> {
    const stream = streams.get(asker)?.get(name);
    if (!stream || stream.destroyed) return;
    const id = `ping ${++requests}`;
    const heard = new Promise<void>((resolve) => {
      pongs.set(id, resolve);
      stream.on("close", resolve);
    });
    for (const message of [{ method: "notifications/tools/list_changed" }, { id, method: "ping" }])
      stream.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
    await heard;
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    begun,
    fetch,
    async close() {
      await guard.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Every other time one is gone, and every third time one is offered that nobody can use. */
function offered(version: number, said: string): object[] {
  const tools = Object.entries(annotations)
    .filter(([name]) => version % 2 === 0 || name !== "plain")
    .map(([name, annotations]) => ({
      name,
      description: `${name}, version ${version}: ${said}`,
      inputSchema: { type: "object" },
      annotations,
    }));
  const off = { name: "off", inputSchema: { type: "object" } };
  return [...tools, off, ...(version % 3 === 2 ? [{ name: `odd ${said}`, inputSchema: 5 }] : [])];
}

/** An answer that is there with all that it holds, or with what it broke off of: what follows from it follows at once. */
async function whole(response: Response): Promise<Response> {
  const { status, headers, body } = response;
  if (!body) return response;
  const chunks: Uint8Array[] = [];
  let broken: unknown = null;
  try {
    for await (const chunk of body) chunks.push(chunk);
  } catch (error) {
    broken = error;
  }
  const again = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk) controller.enqueue(chunk);
      else if (broken) controller.error(broken);
      else controller.close();
    },
  });
  return new Response(again, { status, headers });
}

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bodyOf } from "../../src/net/testing-body.ts";
import { type Waiting, waiting } from "../harness/waiting.ts";
import { type FakeAuthorization, fakeAuthorization } from "./authorization.ts";

/** What either server was asked. */
export interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** JSON, unless it is a text. */
  body?: unknown;
  /** `cut` breaks the connection before there is an answer, `hang` never answers. */
  end?: "cut" | "hang";
}

/** An authorization server and an MCP server that takes its tokens, on one port of loopback. */
export interface FakeOAuth {
  token_endpoint: string;
  mcp_url: string;
  /** Refreshes that were asked for, and requests to the MCP server. */
  refreshes: (Asked & { form: URLSearchParams })[];
  calls: (Asked & { rpc: { id?: number; method?: string } })[];
  /** What a new credential has: good until it is refused or refreshed. */
  access_token: string;
  refresh_token: string;
  /** Takes the access token no more. */
  expire(): void;
  /** How it answers. The one tool of the MCP server is `look`, which says "it is there". */
  settings: {
    /** Gives a new refresh token with each access token, and takes the old one no more. */
    rotates: boolean;
    expires_in: number | null;
    /** Answers something else than usual, or null. */
    onRefresh?: (asked: FakeOAuth["refreshes"][number]) => Answer | null | Promise<Answer | null>;
    onCall?: (asked: FakeOAuth["calls"][number]) => Answer | null | Promise<Answer | null>;
    /** The MCP server answers as streams. */
    streams: boolean;
    /** What the MCP server says when it refuses a token. */
    challenge: string;
  };
  /** Who asks a person for it. */
  authorization: FakeAuthorization;
  heard: Waiting;
  close(): Promise<void>;
}

export async function startFakeOAuth(): Promise<FakeOAuth> {
  let count = 0;
  const heard = waiting();
  const server = createServer(async (request, response) => {
    const text = (await bodyOf(request))?.toString();
    if (text === undefined) return;
    const { method = "", url: path = "", headers } = request;
    const asked = { method, path, headers, text };
    send(response, await answerTo(asked));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answerTo(asked: Asked): Promise<Answer> {
    const { pathname } = new URL(asked.path, base);
    const authorizing = answer(asked);
    if (authorizing) return authorizing;
    if (pathname === "/token") {
      const refresh = { ...asked, form: new URLSearchParams(asked.text) };
      fake.refreshes.push(refresh);
      heard.ring();
      return (await fake.settings.onRefresh?.(refresh)) ?? granted(refresh.form);
    }
    if (pathname === "/mcp") {
      const rpc = asked.text === "" ? {} : JSON.parse(asked.text);
      const call = { ...asked, rpc };
      fake.calls.push(call);
      heard.ring();
      return (await fake.settings.onCall?.(call)) ?? called(call);
    }
    return { status: 404, body: "there is nothing" };
  }

  const { authorization, answer } = fakeAuthorization({
    base: () => base,
    grant(scope) {
      count += 1;
      fake.access_token = `access-${count}-of-the-fake`;
      fake.refresh_token = `refresh-${count}-of-the-fake`;
      const { access_token, refresh_token, settings } = fake;
      const lasts = settings.expires_in !== null && { expires_in: settings.expires_in };
      const body = { access_token, refresh_token, token_type: "Bearer", ...lasts };
      return { body: { ...body, ...(scope !== null && { scope }) } };
    },
  });

  function granted(form: URLSearchParams): Answer {
    if (form.get("grant_type") !== "refresh_token")
      return { status: 400, body: { error: "invalid_request" } };
    if (form.get("refresh_token") !== fake.refresh_token)
      return { status: 400, body: { error: "invalid_grant", error_description: "it is not good any more" } };
    count += 1;
    fake.access_token = `access-${count}-of-the-fake`;
    if (fake.settings.rotates) fake.refresh_token = `refresh-${count}-of-the-fake`;
    return {
      body: {
        access_token: fake.access_token,
        token_type: "Bearer",
        ...(fake.settings.rotates && { refresh_token: fake.refresh_token }),
        ...(fake.settings.expires_in !== null && { expires_in: fake.settings.expires_in }),
      },
    };
  }

  function called({ headers, rpc, method }: FakeOAuth["calls"][number]): Answer {
    if (headers.authorization !== `Bearer ${fake.access_token}`)
      return {
        status: 401,
        headers: { "www-authenticate": fake.settings.challenge },
        body: { error: "invalid_token" },
      };
    if (method === "DELETE") return { status: 200, body: "" };
    if (method === "GET") return { status: 405, body: "" };
    const session = { "mcp-session-id": "fake-session" };
    switch (rpc.method) {
      case "initialize":
        return result(rpc.id, session, {
          protocolVersion: "2025-06-18",
          capabilities: { tools: {} },
          serverInfo: { name: "fake", version: "1" },
        });
      case "tools/list":
        return headers["mcp-session-id"] === "fake-session"
          ? result(rpc.id, session, { tools: [{ name: "look", inputSchema: { type: "object" } }] })
          : { status: 400, body: "no session" };
      case "tools/call":
        return result(rpc.id, session, { content: [{ type: "text", text: "it is there" }] });
      default:
        return { status: 202, body: "" };
    }
  }

  function result(id: number | undefined, headers: Record<string, string>, result: unknown): Answer {
    const message = { jsonrpc: "2.0", id, result };
    if (!fake.settings.streams) return { headers, body: message };
    const notice = { jsonrpc: "2.0", method: "notifications/message", params: {} };
    const text = [notice, message]
      .map((each) => `event: message\ndata: ${JSON.stringify(each)}\n\n`)
      .join("");
    return { headers: { ...headers, "content-type": "text/event-stream" }, body: text };
  }

  const fake: FakeOAuth = {
    token_endpoint: `${base}/token`,
    mcp_url: `${base}/mcp`,
    refreshes: [],
    calls: [],
    access_token: "access-0-of-the-fake",
    refresh_token: "refresh-0-of-the-fake",
    expire() {
      count += 1;
      fake.access_token = `nobody-has-this-${count}`;
    },
    settings: { rotates: true, expires_in: 3_600, streams: false, challenge: "Bearer" },
    authorization,
    heard,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return fake;
}

function send(response: ServerResponse, { status = 200, headers, body = "", end }: Answer): void {
  if (end === "hang") return;
  if (end === "cut") {
    response.destroy();
    return;
  }
  const [type, text] =
    typeof body === "string" ? ["text/plain", body] : ["application/json", JSON.stringify(body)];
  response.writeHead(status, { "content-type": type, ...headers }).end(text);
}

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bodyOf } from "../../src/net/testing-body.ts";

/** What the fake sends for one request. */
export interface FakeReply {
  status?: number;
  headers?: Record<string, string>;
  /** Written one by one, as they are, and where they come one by one, then. */
  chunks: (string | Uint8Array)[] | AsyncIterable<string>;
  /** `cut` breaks the connection, `hang` leaves it open and silent. */
  end?: "whole" | "cut" | "hang";
}

export interface FakeRequest<Body> {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: Body;
  /** Whether the reply went out whole, or the client closed the connection first. */
  ended: Promise<"whole" | "closed">;
}

/** Answers a request, or leaves it (`null`) to the replies in the queue. */
export type FakeResponder<Body> = (
  request: FakeRequest<Body>,
) => FakeReply | null | Promise<FakeReply | null>;

/** A model provider on loopback, with scripted replies: raw chunks, split anywhere. */
export interface FakeUpstream<Body> {
  url: string;
  /** All so far, the oldest first. */
  requests: FakeRequest<Body>[];
  /** Replies in their order, one a request. A request that finds none gets a 500. */
  reply(...replies: FakeReply[]): void;
  /** Resolves with the `n`-th request, counted from 0, once it is there. */
  request(n: number): Promise<FakeRequest<Body>>;
  close(): Promise<void>;
}

/** On any free port, unless one is named. */
export async function startFakeUpstream<Body>(
  responder: FakeResponder<Body> = () => null,
  port = 0,
): Promise<FakeUpstream<Body>> {
  const requests: FakeRequest<Body>[] = [];
  const queue: FakeReply[] = [];
  const waiting = new Map<number, (request: FakeRequest<Body>) => void>();

  const server = createServer(async (incoming, response) => {
    const text = (await bodyOf(incoming))?.toString("utf8");
    if (text === undefined) return;
    const request: FakeRequest<Body> = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      text,
      body: JSON.parse(text === "" ? "{}" : text),
      ended: once(response, "close").then(() => (response.writableFinished ? "whole" : "closed")),
    };
    requests.push(request);
    waiting.get(requests.length - 1)?.(request);
    await send(response, (await responder(request)) ?? queue.shift() ?? noReply);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    reply: (...replies) => {
      queue.push(...replies);
    },
    request: async (n) => requests[n] ?? new Promise((resolve) => waiting.set(n, resolve)),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function send(response: ServerResponse, reply: FakeReply): Promise<void> {
  response.writeHead(reply.status ?? 200, { "content-type": "text/event-stream", ...reply.headers });
  response.socket?.setNoDelay(true);
  response.flushHeaders();
  for await (const chunk of reply.chunks) {
    await new Promise((resolve) => response.write(chunk, resolve));
  }
  if (reply.end === "cut") response.destroy();
  else if (reply.end !== "hang") response.end();
}

const noReply: FakeReply = {
  status: 500,
  headers: { "content-type": "application/json" },
  chunks: [
    JSON.stringify({ error: { type: "api_error", message: "the fake has no reply for this request" } }),
  ],
};

/** Events of a stream that have no name. */
export const dataEvents = (events: unknown[]): string =>
  events.map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`).join("");

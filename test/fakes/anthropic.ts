import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type Anthropic from "@anthropic-ai/sdk";

/** What the fake sends for one request. */
export interface FakeReply {
  status?: number;
  headers?: Record<string, string>;
  /** Written one by one, as they are, and where they come one by one, then. */
  chunks: (string | Uint8Array)[] | AsyncIterable<string>;
  /** `cut` breaks the connection, `hang` leaves it open and silent. */
  end?: "whole" | "cut" | "hang";
}

export interface FakeRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: Anthropic.MessageCreateParamsStreaming;
  /** Whether the reply went out whole, or the client closed the connection first. */
  ended: Promise<"whole" | "closed">;
}

/** Answers a request, or leaves it (`null`) to the replies in the queue. */
export type FakeResponder = (request: FakeRequest) => FakeReply | null | Promise<FakeReply | null>;

/** The Messages API on loopback, with scripted replies: raw chunks, split anywhere. */
export interface FakeAnthropic {
  url: string;
  /** All so far, the oldest first. */
  requests: FakeRequest[];
  /** Replies in their order, one a request. A request that finds none gets a 500. */
  reply(...replies: FakeReply[]): void;
  /** Resolves with the `n`-th request, counted from 0, once it is there. */
  request(n: number): Promise<FakeRequest>;
  close(): Promise<void>;
}

/** On any free port, unless one is named. */
export async function startFakeAnthropic(
  responder: FakeResponder = () => null,
  port = 0,
): Promise<FakeAnthropic> {
  const requests: FakeRequest[] = [];
  const queue: FakeReply[] = [];
  const waiting = new Map<number, (request: FakeRequest) => void>();

  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part);
    const text = Buffer.concat(parts).toString("utf8");
    const request: FakeRequest = {
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

export interface FakeAnswer {
  blocks: FakeBlock[];
  stop_reason?: string | null;
  stop_details?: Record<string, unknown> | null;
  /** Of `message_start` and of `message_delta`. */
  usage?: [Record<string, unknown>, Record<string, unknown>];
}

export type FakeBlock =
  | { type: "text"; text: string[] }
  | { type: "thinking"; thinking: string[]; signature: string }
  | { type: "redacted_thinking"; data: string }
  /** `json`: the arguments, in pieces. */
  | { type: "tool_use"; id: string; name: string; json: string[] };

/** A whole answer as the events of its stream. */
export function answerEvents(answer: FakeAnswer): object[] {
  const [first, last] = answer.usage ?? [{ input_tokens: 10, output_tokens: 1 }, { output_tokens: 5 }];
  const called = answer.blocks.some((block) => block.type === "tool_use");
  const message = { id: "msg_fake", type: "message", role: "assistant", content: [], usage: first };
  return [
    { type: "message_start", message },
    { type: "ping" },
    ...answer.blocks.flatMap(blockEvents),
    {
      type: "message_delta",
      delta: {
        stop_reason:
          answer.stop_reason === undefined ? (called ? "tool_use" : "end_turn") : answer.stop_reason,
        stop_details: answer.stop_details ?? null,
        stop_sequence: null,
      },
      usage: last,
    },
    { type: "message_stop" },
  ];
}

function blockEvents(block: FakeBlock, index: number): object[] {
  const start = (content_block: object) => ({ type: "content_block_start", index, content_block });
  const delta = (change: object) => ({ type: "content_block_delta", index, delta: change });
  const stop = { type: "content_block_stop", index };
  switch (block.type) {
    case "text":
      return [
        start({ type: "text", text: "" }),
        ...block.text.map((text) => delta({ type: "text_delta", text })),
        stop,
      ];
    case "thinking":
      return [
        start({ type: "thinking", thinking: "", signature: "" }),
        ...block.thinking.map((thinking) => delta({ type: "thinking_delta", thinking })),
        delta({ type: "signature_delta", signature: block.signature }),
        stop,
      ];
    case "redacted_thinking":
      return [start(block), stop];
    case "tool_use": {
      const { id, name, json } = block;
      return [
        start({ type: "tool_use", id, name, input: {} }),
        ...json.map((partial_json) => delta({ type: "input_json_delta", partial_json })),
        stop,
      ];
    }
  }
}

export const sse = (events: object[]): string =>
  events
    .map((event) => `event: ${(event as { type: string }).type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("");

export const answerReply = (answer: FakeAnswer): FakeReply => ({ chunks: [sse(answerEvents(answer))] });

export const textReply = (text: string): FakeReply =>
  answerReply({ blocks: [{ type: "text", text: [text] }] });

export const errorReply = (
  status: number,
  type: string,
  message: string,
  headers: Record<string, string> = {},
): FakeReply => ({
  status,
  headers: { "content-type": "application/json", "request-id": "req_fake", ...headers },
  chunks: [JSON.stringify({ type: "error", error: { type, message }, request_id: "req_fake" })],
});

const noReply = errorReply(500, "api_error", "the fake has no reply for this request");

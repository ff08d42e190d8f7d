import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { request as secureRequest } from "node:https";
import { beta, testKey } from "./headers.ts";
import { waiting } from "./waiting.ts";

export interface Frame {
  event: string;
  /** The cursor; pings have none. */
  id: string | null;
  data: { id: string; type: string; processed_at: string | null; [field: string]: unknown };
}

export interface RawStream {
  status: number;
  headers: IncomingHttpHeaders;
  /** Whole frames so far, pings included. */
  frames: Frame[];
  /** All frames up to the first one that passes the test; waits for it. */
  until(test: (frame: Frame) => boolean): Promise<Frame[]>;
  /** Resolves when no more bytes come, whoever ended it. */
  ended: Promise<void>;
  /** What came so far, as it came. */
  bytes(): Buffer;
  socket: IncomingMessage["socket"];
  response: IncomingMessage;
  close(): void;
}

export interface RawStreamOptions {
  last_event_id?: string;
  after?: string;
  /** The connection is broken after so many bytes of the body. */
  cut_after_bytes?: number;
  /** Left unread until `response.resume()`. */
  paused?: boolean;
  path?: string;
  headers?: Record<string, string>;
}

/** The stream as it is on the wire, without the SDK. */
export function openRawStream(
  url: string,
  sessionId: string,
  options: RawStreamOptions = {},
): Promise<RawStream> {
  const path = options.path ?? `/v1/sessions/${sessionId}/events/stream`;
  const query = options.after === undefined ? "" : `?after=${encodeURIComponent(options.after)}`;
  return new Promise((resolve, reject) => {
    const start = url.startsWith("https:") ? secureRequest : request;
    const outgoing = start(`${url}${path}${query}`, {
      agent: false,
      headers: {
        "x-api-key": testKey,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": beta,
        ...(options.last_event_id !== undefined && { "last-event-id": options.last_event_id }),
        ...options.headers,
      },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => resolve(reading(response, options)));
    outgoing.end();
  });
}

function reading(response: IncomingMessage, options: RawStreamOptions): RawStream {
  const chunks: Buffer[] = [];
  let length = 0;
  /** What followed the last whole frame. */
  let rest: Buffer[] = [];
  let over = false;
  const frames: Frame[] = [];
  const { ring, until } = waiting();
  const ended = new Promise<void>((resolve) => {
    response.on("error", () => {});
    response.on("close", () => {
      over = true;
      ring();
      resolve();
    });
  });
  const take = (whole: Buffer) => {
    const left = (options.cut_after_bytes ?? Number.POSITIVE_INFINITY) - length;
    const chunk = whole.subarray(0, left);
    chunks.push(chunk);
    length += chunk.length;
    rest.push(chunk);
    if (chunk.includes("\n")) {
      const bytes = Buffer.concat(rest);
      const end = bytes.lastIndexOf("\n\n") + 2;
      if (end > 1) {
        frames.push(...framesOf(bytes.subarray(0, end)));
        rest = [bytes.subarray(end)];
      }
    }
    if (whole.length >= left) response.destroy();
    ring();
  };
  if (!options.paused) response.on("data", take);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    frames,
    ended,
    bytes: () => Buffer.concat(chunks),
    socket: response.socket,
    response,
    close: () => response.destroy(),
    until: (test) =>
      until(() => {
        const place = frames.findIndex(test);
        if (place !== -1) return frames.slice(0, place + 1);
        if (over) throw new Error(`the stream ended after ${frames.map(({ event }) => event).join(", ")}`);
      }),
  };
}

/** The whole frames in the bytes; what follows the last blank line was cut. */
export function framesOf(bytes: Buffer): Frame[] {
  return bytes
    .toString("utf8")
    .split("\n\n")
    .slice(0, -1)
    .map((text) => {
      const field = (name: string) =>
        text
          .split("\n")
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      return {
        event: field("event") ?? "",
        id: field("id") ?? null,
        data: JSON.parse(field("data") ?? "null"),
      };
    });
}

export const withoutPings = (frames: Frame[]) => frames.filter(({ event }) => event !== "ping");

export const isIdleFrame = ({ event }: Frame) => event === "session.status_idle";

import {
  type ClientRequest,
  type IncomingMessage,
  request as makeRequest,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Readable, Transform } from "node:stream";
import { limits } from "../limits.ts";
import { type Answer, answer, pairsOf } from "./answers.ts";
import { type Destination, spelled, type Target } from "./destination.ts";
import { endToEnd, framing, lengthOf } from "./headers.ts";
import type { Asked } from "./http-front.ts";
import { joined } from "./joined.ts";
import { unreachable } from "./way-out.ts";

/** How a request leaves, and what becomes of its answer. */
export interface Passage {
  /** Nothing of it has left yet. */
  upstream: ClientRequest;
  /** What the body is that leaves. */
  body: Readable;
  /** The answer as the program gets it. */
  inbound(from: IncomingMessage): Inbound | Answer;
  /** What the program is told when there was none; null to end its connection without a word. */
  failed(error: unknown): Answer | null;
}

export interface Inbound {
  words: string;
  /** All of them, names and values in turn. */
  headers: string[];
  /** What the body goes through, in their order. */
  through: Transform[];
  trailers(rawTrailers: readonly string[]): string[];
}

/** As the host is to get it, over a connection of its own. Nothing is sent before the caller writes or ends it. */
export function requestTo(target: Target, from: IncomingMessage, socket: Socket, extra: readonly string[]) {
  socket.setTimeout(limits.egress_idle_ms, () =>
    socket.destroy(Object.assign(new Error("idle"), { code: "ETIMEDOUT" })),
  );
  return makeRequest({
    createConnection: () => socket,
    method: from.method,
    path: target.path,
    maxHeaderSize: limits.egress_head_bytes_max,
    headers: ["Host", hostHeader(target, 80), ...endToEnd(from.rawHeaders), ...extra],
  });
}

/** As a host expects itself to be named. */
export const hostHeader = (to: Destination, defaultPort: number): string =>
  to.port === defaultPort ? spelled(to).slice(0, -`:${defaultPort}`.length) : spelled(to);

/** As it came, over a connection of its own. */
export const plainPassage = ({ request, body }: Asked, target: Target, socket: Socket): Passage => ({
  upstream: requestTo(target, request, socket, [...framing(request), "connection", "close"]),
  body,
  inbound: (from) => ({
    words: from.statusMessage ?? "",
    headers: [...endToEnd(from.rawHeaders), ...lengthOf(from)],
    through: [],
    trailers: (rawTrailers) => [...rawTrailers],
  }),
  failed: (error) => unreachable(target, error),
});

/** Carries a request to its host and the answer back, bodies and trailers as they come. */
export function forward(request: IncomingMessage, response: ServerResponse, passage: Passage): void {
  const { upstream, body } = passage;
  let answerIsWhole = () => false;
  // A host may answer, and close, before it has read all of a request.
  const fail = (error: unknown) => answerIsWhole() || breakOff(error);
  const breakOff = (error: unknown) => {
    if (response.writableEnded) return;
    upstream.destroy();
    const told = response.headersSent ? null : passage.failed(error);
    if (told !== null) answer(response, told);
    // An answer that breaks off is carried as far as it came, and looks like one.
    else if (response.socket) response.socket.destroySoon();
    else response.destroy();
  };
  /** What the two ends say is theirs: nothing that this end cannot write may go further than this request. */
  const orFail =
    <Given extends unknown[]>(step: (...given: Given) => unknown) =>
    (...given: Given) => {
      try {
        step(...given);
      } catch (error) {
        fail(error);
      }
    };
  upstream.on("error", fail);
  upstream.on("close", () => {
    if (!response.headersSent) fail(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
  });
  // Once, for a request that waits for it: a host may say it without end, to a program that reads nothing.
  if (request.headers.expect !== undefined)
    upstream.once(
      "continue",
      orFail(() => response.writeContinue()),
    );
  upstream.on(
    "response",
    orFail((from) => {
      const inbound = passage.inbound(from);
      if ("status" in inbound) {
        answer(response, inbound);
        return upstream.destroy();
      }
      answerIsWhole = () => from.complete;
      from.on("error", fail);
      response.sendDate = false;
      response.writeHead(from.statusCode ?? 502, inbound.words, inbound.headers);
      response.flushHeaders();
      const last = piped(joined(from), inbound.through, breakOff);
      last.on(
        "end",
        orFail(() => {
          response.addTrailers(pairsOf(inbound.trailers(from.rawTrailers)));
          response.end();
        }),
      );
      last.pipe(response, { end: false });
    }),
  );
  response.on("error", fail);
  // What the host has not waited for is read.
  response.on("finish", () => body.unpipe(upstream).resume());
  response.on("close", () => upstream.destroy());
  request.on("error", fail);
  body.on("error", fail);
  body.on(
    "end",
    orFail(() => {
      upstream.addTrailers(pairsOf(request.rawTrailers));
      upstream.end();
    }),
  );
  upstream.flushHeaders();
  body.pipe(upstream, { end: false });
}

/** Through all of these, in their order. */
export const piped = (
  from: Readable,
  through: readonly Transform[],
  onError: (error: Error) => void,
): Readable => through.reduce<Readable>((before, stage) => before.pipe(stage.on("error", onError)), from);

import { type IncomingMessage, request as makeRequest, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import { answer, pairsOf } from "./answers.ts";
import { spelled, type Target } from "./destination.ts";
import { endToEnd, framing, lengthOf } from "./headers.ts";
import { unreachable } from "./way-out.ts";

/** As the host is to get it, over a connection of its own. Nothing is sent before the caller writes or ends it. */
export function requestTo(target: Target, from: IncomingMessage, socket: Socket, extra: readonly string[]) {
  socket.setTimeout(limits.egress_idle_ms, () =>
    socket.destroy(Object.assign(new Error("idle"), { code: "ETIMEDOUT" })),
  );
  return makeRequest({
    createConnection: () => socket,
    method: from.method,
    path: target.path,
    headers: [
      "Host",
      target.port === 80 ? spelled(target).replace(/:80$/, "") : spelled(target),
      ...endToEnd(from.rawHeaders),
      ...extra,
    ],
  });
}

/** Carries a request to its host and the answer back, bodies and trailers as they come. */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  socket: Socket,
): void {
  const upstream = requestTo(target, request, socket, [...framing(request), "connection", "close"]);
  let answerIsWhole = () => false;
  const fail = (error: unknown) => {
    // A host may answer, and close, before it has read all of a request.
    if (answerIsWhole() || response.writableEnded) return;
    upstream.destroy();
    if (!response.headersSent) answer(response, unreachable(target, error));
    // An answer that breaks off is carried as far as it came, and looks like one.
    else if (response.socket) response.socket.destroySoon();
    else response.destroy();
  };
  /** What the two ends say is theirs: nothing that this end cannot write may go further than this request. */
  const orFail =
    <Given extends unknown[]>(step: (...given: Given) => void) =>
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
      answerIsWhole = () => from.complete;
      from.on("error", fail);
      from.on(
        "end",
        orFail(() => {
          response.addTrailers(pairsOf(from.rawTrailers));
          response.end();
        }),
      );
      response.sendDate = false;
      response.writeHead(from.statusCode ?? 502, from.statusMessage ?? "", [
        ...endToEnd(from.rawHeaders),
        ...lengthOf(from),
      ]);
      response.flushHeaders();
      from.pipe(response, { end: false });
    }),
  );
  response.on("error", fail);
  // What the host has not waited for is read, for the next request is behind it.
  response.on("finish", () => request.unpipe(upstream).resume());
  response.on("close", () => upstream.destroy());
  request.on("error", fail);
  request.on(
    "end",
    orFail(() => {
      upstream.addTrailers(pairsOf(request.rawTrailers));
      upstream.end();
    }),
  );
  upstream.flushHeaders();
  request.pipe(upstream, { end: false });
}

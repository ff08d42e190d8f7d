import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { limits } from "../limits.ts";
import { ApiError, invalid } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { errorResponse, type Log } from "./errors.ts";

type Fetch = (request: Request, bindings: HttpBindings) => Response | Promise<Response>;

/** An HTTP server whose own refusals carry the envelope too: of what never becomes a request for the application. */
export function createHttpServer(fetch: Fetch, log: Log): Server {
  const refusal = (error: unknown) =>
    errorResponse(
      error,
      { method: "", path: "", repeatable: true, headers: { "request-id": newId("request") } },
      log,
    );

  const listener = getRequestListener((request, bindings) => fetch(request, bindings as HttpBindings), {
    // For HTTP/1.0, which need not name a host.
    hostname: "localhost",
    errorHandler: (error) => refusal(error instanceof RequestError ? unreadable(error.message) : error),
  });
  const timeouts = { keepAliveTimeout: limits.connection_idle_ms, requestTimeout: limits.upload_ms_max };
  const server = createServer(timeouts, listener);
  server.on("clientError", async (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET" || !socket.writable) return socket.destroy();
    const answer = refusal(ofParser(error));
    const body = await answer.text();
    const head = [
      `HTTP/1.1 ${answer.status} ${reasons[answer.status]}`,
      ...[...answer.headers].map(([name, value]) => `${name}: ${value}`),
      `content-length: ${Buffer.byteLength(body)}`,
      "connection: close",
    ];
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  });
  return server;
}

const reasons: Record<number, string> = {
  400: "Bad Request",
  408: "Request Timeout",
  413: "Payload Too Large",
  431: "Request Header Fields Too Large",
};

const unreadable = (reason: string) => invalid(`the request cannot be read: ${reason}`);

function ofParser(error: NodeJS.ErrnoException): ApiError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return new ApiError("invalid_request_error", "the request line and headers are too large", {
        status: 431,
      });
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new ApiError("request_too_large", "the extensions of a chunk are too large");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new ApiError("timeout_error", "the request did not arrive in time", { status: 408 });
    default:
      return unreadable(error.message);
  }
}

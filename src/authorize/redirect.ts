import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { limits } from "../limits.ts";
import { NotAuthorized } from "./failed.ts";

/** Where an authorization server sends the browser back to: a port of this machine's loopback. */
export interface Redirect {
  url: string;
  /** What the browser brings with this state. Rejects when the signal says so. */
  comes(state: string, signal: AbortSignal): Promise<URLSearchParams>;
  close(): Promise<void>;
}

const path = "/callback";

/**
 * I1. Only a request that has the state is an answer; any other one is told so, and the wait goes on.
 * I2. There is one answer. Who comes later hears that it is over.
 * I3. Nothing of a request is in what it is answered with.
 */
export async function listenForRedirect(port: number): Promise<Redirect> {
  let waiting: { state: string; resolve(params: URLSearchParams): void } | null = null;
  let isOver = false;
  let hosts: string[] = [];
  const server = createServer((request, response) => {
    response.setHeader("connection", "close");
    // A page of somebody else whose name leads here is no answer either.
    if (!hosts.includes(request.headers.host ?? ""))
      return page(response, 421, "This is not what you looked for.");
    const asked = URL.parse(request.url ?? "", "http://x");
    if (asked?.pathname !== path || request.method !== "GET")
      return page(response, 404, "There is nothing here.");
    const { searchParams } = asked;
    if (isOver) return page(response, 410, "This has been answered already. You can close this page.");
    if (!waiting || !isAnswer(searchParams, waiting.state))
      return page(
        response,
        400,
        "This is not an answer to what Drover asks for. Begin again in the terminal.",
      );
    isOver = true;
    const { resolve } = waiting;
    response.on("close", () => resolve(searchParams));
    page(
      response,
      200,
      searchParams.has("code")
        ? "Drover has got the answer. The terminal says what comes of it; you can close this page."
        : "Nothing was allowed. The terminal says why; you can close this page.",
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new NotAuthorized(
          `port ${port} of this machine cannot be listened at${error.code === "EADDRINUSE" ? ", since another program does" : `: ${error.message}`}; --port names another one`,
        ),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: at } = server.address() as AddressInfo;
  // As browsers write them: without the port where it is 80.
  hosts = ["127.0.0.1", "localhost"].map((name) => new URL(`http://${name}:${at}`).host);
  return {
    url: `http://127.0.0.1:${at}${path}`,
    comes: (state, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        waiting = { state, resolve };
      }),
    async close() {
      isOver = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const late = setTimeout(() => server.closeAllConnections(), limits.authorize_goodbye_ms);
      server.closeIdleConnections();
      await closed;
      clearTimeout(late);
    },
  };
}

/** Each of its parts stands there once, and one of them says how it ended. */
function isAnswer(params: URLSearchParams, state: string): boolean {
  const names = ["state", "code", "error", "iss"];
  if (names.some((name) => params.getAll(name).length > 1)) return false;
  const [given, wanted] = [Buffer.from(params.get("state") ?? ""), Buffer.from(state)];
  const isOurs = given.length === wanted.length && timingSafeEqual(given, wanted);
  return isOurs && params.has("code") !== params.has("error");
}

function page(response: ServerResponse<IncomingMessage>, status: number, said: string): void {
  response
    .writeHead(status, {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    })
    .end(
      `<!doctype html><html lang="en"><title>Drover</title><body style="font:18px/1.5 sans-serif;margin:20vh auto;max-width:34em;padding:0 1em"><h1>Drover</h1><p>${said}</p>\n`,
    );
}

import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** Routes that the hosted service does not have. */
const additions = [
  /^\/v1\/usage$/,
  /^\/v1\/sessions\/[^/]+\/(fork|audit|sandbox)$/,
  /^\/v1\/environments\/[^/]+\/(keys|work_items)(\/|$)/,
  /^\/v1\/vaults\/[^/]+\/credentials\/[^/]+\/uses$/,
  /^\/v1\/(pending_actions|session_errors|system)$/,
  /^\/(openapi\.json|healthz)$/,
];
/** And what it adds to no answer. */
const addedFields = new Set(["waiting_for", "forked_from", "work", "path", "recovery", "refresh_failure"]);
/** It refuses what it does not know. */
const configFields = ["resources", "image", "setup"];

export interface HostedService {
  url: string;
  /** Method and path of all that it was asked. */
  asked: string[];
  close(): void;
}

/** A service as the hosted one is, before a server of Drover's that does its work. */
export async function fakeHosted(drover: string): Promise<HostedService> {
  const asked: string[] = [];
  const server = createServer((incoming, answer) => void serve(incoming, answer)).listen(0, "127.0.0.1");
  await once(server, "listening");

  async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { pathname } = new URL(incoming.url ?? "/", drover);
    asked.push(`${incoming.method} ${pathname}`);
    const body = await buffer(incoming);
    if (additions.some((route) => route.test(pathname)))
      return refuse(answer, 404, "not_found_error", "Not Found");
    const unknown = pathname.startsWith("/v1/environments") ? unknownIn(body) : null;
    if (unknown)
      return refuse(answer, 400, "invalid_request_error", `${unknown}: Extra inputs are not permitted`);
    const { host: _, ...headers } = incoming.headers;
    const onward = request(new URL(incoming.url ?? "/", drover), { method: incoming.method, headers });
    onward.end(body);
    const [reply] = (await once(onward, "response")) as [IncomingMessage];
    const isJson = reply.headers["content-type"]?.startsWith("application/json") === true;
    if (!isJson) {
      answer.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(answer);
      return;
    }
    const { "content-length": __, ...kept } = reply.headers;
    answer.writeHead(reply.statusCode ?? 500, kept);
    answer.end(JSON.stringify(JSON.parse((await buffer(reply)).toString()), withoutAdded));
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function refuse(answer: ServerResponse, status: number, type: string, message: string): void {
  answer.writeHead(status, { "content-type": "application/json" });
  answer.end(JSON.stringify({ type: "error", error: { type, message }, request_id: "req_hosted" }));
}

function unknownIn(body: Buffer): string | null {
  if (body.length === 0) return null;
  const { config } = JSON.parse(body.toString()) as { config?: object };
  const field = configFields.find((name) => config && name in config);
  return field === undefined ? null : `config.${field}`;
}

const withoutAdded = (key: string, value: unknown) => (addedFields.has(key) ? undefined : value);

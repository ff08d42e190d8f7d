import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server on loopback. */
export interface TestSite {
  host: string;
  url: string;
  /** The paths it was asked for, with their queries. */
  asked: string[];
  close(): void;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** `answers` are by path; any other is not found. */
export async function startSite(answers: Record<string, Answer>): Promise<TestSite> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const answer = answers[new URL(request.url ?? "", "http://here").pathname];
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const sends =
  (type: string, body: string | Buffer, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(200, { ...(type && { "content-type": type }), ...headers });
    response.end(body);
  };

export const redirects =
  (location: string): Answer =>
  (_, response) => {
    response.writeHead(302, { location }).end();
  };

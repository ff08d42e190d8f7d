import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { text as textOf } from "node:stream/consumers";

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/**
 * One request on a connection of its own: one that is kept may be closed by the server just as it is used again, which
 * would be mistaken for an answer.
 */
export function request(
  url: string,
  {
    body,
    ...options
  }: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const start = url.startsWith("https:") ? httpsRequest : httpRequest;
    const outgoing = start(url, { ...options, agent: false });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const { statusCode = 0, headers } = response;
      textOf(response).then((text) => resolve({ status: statusCode, headers, text }), reject);
    });
    outgoing.end(body);
  });
}

import type { IncomingMessage } from "node:http";
import { pairsOf } from "./answers.ts";

/** What is between two neighbours, and nothing of which is passed on. Framing is made anew for what leaves. */
const hopByHop = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Those that are meant for the other end, in their order and spelling. `rawHeaders`: names and values in turn. */
export function endToEnd(rawHeaders: readonly string[]): string[] {
  const pairs = pairsOf(rawHeaders);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => listed(value));
  const dropped = new Set([...hopByHop, ...named]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}

const listed = (value: string): string[] => value.split(",").map((each) => each.trim().toLowerCase());

const bodyless = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/** How the body of a request ends, for the host. The parser has seen to it that the two do not come together. */
export function framing(request: IncomingMessage): string[] {
  const { "transfer-encoding": coding } = request.headers;
  if (coding !== undefined) return ["transfer-encoding", coding];
  const length = lengthOf(request);
  return length.length > 0 || bodyless.has(request.method ?? "") ? length : ["content-length", "0"];
}

/** The header that says it, if one does. */
export const lengthOf = ({ headers: { "content-length": length } }: IncomingMessage): string[] =>
  length === undefined ? [] : ["content-length", length];

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

/** A protocol to go on with, such as `websocket`, that a request asks for or an answer grants; null if none. */
export const upgradeOf = ({ headers }: IncomingMessage): string | null =>
  listed(headers.connection ?? "").includes("upgrade") ? (headers.upgrade ?? null) : null;

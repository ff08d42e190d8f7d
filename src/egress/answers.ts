import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../limits.ts";

/** An answer of egress itself, which no host has given. */
export interface Answer {
  status: number;
  /** A sentence for whoever reads the program's output. */
  text: string;
}

/** `x-drover-egress` tells a program such an answer from the same status of the host that it wanted. */
const headersOf = ({ status, text }: Answer): string[] => [
  ...["content-type", "text/plain; charset=utf-8"],
  ...["content-length", String(Buffer.byteLength(text) + 1)],
  ...["x-drover-egress", status === 403 ? "refused" : "failed"],
];

/** Of what some programs show nothing else: curl, pip and apt of an answer to CONNECT. */
const wordsOf = ({ text }: Answer): string => text.replace(/[^\x20-\x7e]/g, "?");

/** To a request. */
export function answer(response: ServerResponse, what: Answer): void {
  response.writeHead(what.status, wordsOf(what), headersOf(what));
  response.end(`${what.text}\n`);
}

/** To whoever is at the other end of a connection that no response belongs to, and the end of it. */
export function answerAndEnd(socket: Socket, what: Answer): void {
  const headers = [...headersOf(what), "connection", "close"];
  endWith(socket, `${headOf(what.status, wordsOf(what), headers)}${what.text}\n`);
}

/** The fatal alert `access_denied`, in clear: what a TLS client takes for a refusal. */
const accessDenied = Buffer.from([21, 3, 3, 0, 2, 2, 49]);

/** To a TLS client that has said hello, and the end of its connection. */
export const alertAndEnd = (socket: Socket): void => endWith(socket, accessDenied);

/** What the other end still says is read for a while: with unread bytes on the way it would not get to read the answer. */
export function endWith(socket: Socket, bytes: string | Buffer = ""): void {
  if (socket.writableEnded) return;
  socket.end(bytes, "latin1");
  socket.resume();
  const late = setTimeout(() => socket.destroy(), limits.egress_linger_ms);
  socket.once("close", () => clearTimeout(late));
}

/** The head of a response. `headers`: names and values in turn. */
export function headOf(status: number, words: string | undefined, headers: readonly string[]): string {
  const lines = pairsOf(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${words ?? ""}\r\n${lines.join("")}\r\n`;
}

/** Of names and values in turn. */
export const pairsOf = (flat: readonly string[]): [name: string, value: string][] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? "", flat[2 * i + 1] ?? ""]);

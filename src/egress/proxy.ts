import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { CarryLine } from "../net/egress-wire.ts";
import { type Answer, answer, answerAndEnd } from "./answers.ts";
import { openTunnel } from "./connect-tunnel.ts";
import { parseAbsolute, parseAuthority, type Target } from "./destination.ts";
import { forward, plainPassage } from "./forward.ts";
import { upgradeOf } from "./headers.ts";
import { type Asked, createFront } from "./http-front.ts";
import type { Interception } from "./intercept.ts";
import { forwardUpgrade, plainUpgrade } from "./upgrade.ts";
import type { WayOut } from "./way-out.ts";

export interface Proxy {
  /** Serves a connection on which a program speaks HTTP. */
  serve(socket: Socket, line: CarryLine): void;
}

/** A proxy for HTTP, and what programs that know of no proxy take for their host. */
export function createProxy(
  way: WayOut,
  interception: Interception,
  onTrouble: (error: unknown) => void,
): Proxy {
  async function onRequest(asked: Asked, response: ServerResponse, line: CarryLine): Promise<void> {
    const { request } = asked;
    const read = targetOf(request, line);
    if ("problem" in read) return answer(response, read.problem);
    const opened = await way.open(line, read.target);
    if ("denial" in opened) return answer(response, opened.denial);
    if (response.destroyed) opened.socket.destroy();
    else forward(request, response, plainPassage(asked, read.target, opened.socket));
  }

  async function onUpgrade(request: IncomingMessage, socket: Socket, line: CarryLine): Promise<void> {
    const read = targetOf(request, line);
    if ("problem" in read) return answerAndEnd(socket, read.problem);
    const opened = await way.open(line, read.target);
    if ("denial" in opened) return answerAndEnd(socket, opened.denial);
    const protocol = upgradeOf(request) ?? "";
    forwardUpgrade(socket, plainUpgrade(request, read.target, opened.socket, protocol));
  }

  async function onConnect(request: IncomingMessage, socket: Socket, line: CarryLine): Promise<void> {
    const to = line.as === "proxy" ? parseAuthority(request.url ?? "", null) : null;
    if (to === null) return answerAndEnd(socket, notATunnel);
    const opened = await interception.open(line, to);
    if ("denial" in opened) return answerAndEnd(socket, opened.denial);
    await openTunnel(way, line, to, socket, opened);
  }

  return createFront({ onRequest, onUpgrade, onConnect, onTrouble });
}

const wrong = (text: string): { problem: Answer } => ({ problem: { status: 400, text } });

function targetOf(
  request: IncomingMessage,
  { as, port }: CarryLine,
): { target: Target } | { problem: Answer } {
  const { url = "", method = "" } = request;
  const absolute = parseAbsolute(url, method);
  if (as === "proxy" || (absolute !== null && absolute.port === (port ?? 80)))
    return absolute ? { target: absolute } : wrong(notForAProxy);
  const named = request.headersDistinct.host ?? [];
  const host = named.length === 1 ? parseAuthority(named[0] ?? "", 80) : null;
  if (host === null || !/^[/*]/.test(url))
    return wrong("Drover found no host that this request is for: it needs one Host header.");
  return { target: { host: host.host, port: port ?? 80, path: url } };
}

const notForAProxy =
  "This is the proxy of a Drover sandbox. It takes requests for whole http URLs, such as GET http://example.com/, and CONNECT for all else.";

const notATunnel: Answer = {
  status: 400,
  text: "CONNECT needs a host and a port, such as example.com:443, and a connection to the proxy.",
};

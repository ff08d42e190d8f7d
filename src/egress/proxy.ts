import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import type { CarryLine } from "../net/egress-wire.ts";
import { type Answer, answer, answerAndEnd } from "./answers.ts";
import { openTunnel } from "./connect-tunnel.ts";
import { parseAbsolute, parseAuthority, type Target } from "./destination.ts";
import { forward } from "./forward.ts";
import { hasBody, upgradeOf } from "./headers.ts";
import { forwardUpgrade } from "./upgrade.ts";
import type { WayOut } from "./way-out.ts";

export interface Proxy {
  /** Serves a connection on which a program speaks HTTP. */
  serve(socket: Socket, line: CarryLine): void;
}

/** What is known of a connection while it is open. */
interface Conversation {
  line: CarryLine;
  /** Requests that have no whole answer yet: some programs do not wait for one before they send the next. */
  open_requests: number;
  /** Ends it when no head of a request comes. */
  late: NodeJS.Timeout | undefined;
}

/** A proxy for HTTP, and what programs that know of no proxy take for their host. Node's parser reads what they say. */
export function createProxy(way: WayOut, onTrouble: (error: unknown) => void): Proxy {
  const conversations = new WeakMap<Socket, Conversation>();
  const http = createServer({
    maxHeaderSize: limits.egress_head_bytes_max,
    // Asked for where it is needed, which is not where the request names its host.
    requireHostHeader: false,
    keepAliveTimeout: 0,
    shouldUpgradeCallback: (request) => upgradeOf(request) !== null && !hasBody(request),
  });
  // Bounded by the size of a head alone: a header that is left out would be lost without a word.
  http.maxHeadersCount = 0;
  http.timeout = limits.egress_idle_ms;
  // A program that has said all that it wants to say may still listen.
  Object.assign(http, { httpAllowHalfOpen: true });

  /** The next head has to be whole in time, after the answer before it. */
  function awaitHead(socket: Socket, conversation: Conversation): void {
    clearTimeout(conversation.late);
    conversation.late = setTimeout(
      () => answerAndEnd(socket, { status: 408, text: "Drover has waited too long for a request." }),
      limits.egress_head_ms,
    );
  }

  function conversationOf(socket: Socket): Conversation {
    const conversation = conversations.get(socket);
    if (!conversation) throw new Error("a request of a connection that nobody serves");
    return conversation;
  }

  async function onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const conversation = conversationOf(socket);
    const { line } = conversation;
    clearTimeout(conversation.late);
    conversation.open_requests += 1;
    response.on("close", () => {
      conversation.open_requests -= 1;
      if (conversation.open_requests === 0 && !socket.destroyed) awaitHead(socket, conversation);
    });
    response.on("error", () => {});
    const read = targetOf(request, line);
    if ("problem" in read) return answer(response, read.problem);
    if (conversation.open_requests > limits.egress_requests_per_connection_max)
      return answer(response, crowded);
    const opened = await way.open(line, read.target);
    if ("denial" in opened) return answer(response, opened.denial);
    if (response.destroyed) opened.socket.destroy();
    else forward(request, response, read.target, opened.socket);
  }

  async function onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { line } = takeOver(socket, head);
    const read = targetOf(request, line);
    if ("problem" in read) return answerAndEnd(socket, read.problem);
    const opened = await way.open(line, read.target);
    if ("denial" in opened) return answerAndEnd(socket, opened.denial);
    forwardUpgrade(request, socket, read.target, opened.socket, upgradeOf(request) ?? "");
  }

  async function onConnect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { line } = takeOver(socket, head);
    const to = line.as === "proxy" ? parseAuthority(request.url ?? "", null) : null;
    if (to === null) return answerAndEnd(socket, notATunnel);
    const opened = await way.open(line, to);
    if ("denial" in opened) return answerAndEnd(socket, opened.denial);
    await openTunnel(way, line, to, socket, opened.socket);
  }

  /** The connection is no longer one for requests. What came behind the head is back on it. */
  function takeOver(socket: Socket, head: Buffer): Conversation {
    const conversation = conversationOf(socket);
    clearTimeout(conversation.late);
    // An answer to an earlier request would come in between.
    if (conversation.open_requests > 0) socket.destroy();
    else if (head.length > 0) socket.unshift(head);
    return conversation;
  }

  /** What is thrown ends the connection that it is about, and no other. */
  const onlyFor = (socket: Socket) => (error: unknown) => {
    onTrouble(error);
    socket.destroy();
  };
  const serveRequest = (request: IncomingMessage, response: ServerResponse) =>
    void onRequest(request, response).catch(onlyFor(request.socket));
  http.on("request", serveRequest);
  http.on("checkContinue", serveRequest);
  http.on(
    "upgrade",
    (request, socket: Socket, head) => void onUpgrade(request, socket, head).catch(onlyFor(socket)),
  );
  http.on(
    "connect",
    (request, socket: Socket, head) => void onConnect(request, socket, head).catch(onlyFor(socket)),
  );
  http.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (conversationOf(socket).open_requests > 0) socket.destroy();
    else answerAndEnd(socket, misread(error));
  });

  return {
    serve(socket, line) {
      const conversation: Conversation = { line, open_requests: 0, late: undefined };
      conversations.set(socket, conversation);
      awaitHead(socket, conversation);
      socket.on("close", () => clearTimeout(conversation.late));
      http.emit("connection", socket);
      socket.resume();
    },
  };
}

const wrong = (text: string): { problem: Answer } => ({ problem: { status: 400, text } });

function targetOf(
  request: IncomingMessage,
  { as, port }: CarryLine,
): { target: Target } | { problem: Answer } {
  const { url = "", method = "", headers } = request;
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked")
    return { problem: { status: 501, text: `Drover does not carry the transfer coding ${coding}.` } };
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

const crowded: Answer = {
  status: 503,
  text: "Too many requests on one connection wait for their answers. Send fewer at once.",
};

function misread({ code }: NodeJS.ErrnoException): Answer {
  return code === "HPE_HEADER_OVERFLOW"
    ? { status: 431, text: `Drover reads ${limits.egress_head_bytes_max} bytes of a request's head at most.` }
    : { status: 400, text: "Drover could not read this as an HTTP/1.1 request." };
}

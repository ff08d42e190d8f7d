import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { limits } from "../limits.ts";
import { type Answer, answer, answerAndEnd } from "./answers.ts";
import { hasBody, upgradeOf } from "./headers.ts";
import { joined } from "./joined.ts";

/** A request, whose body is to be read from nothing else. */
export interface Asked {
  request: IncomingMessage;
  body: Readable;
}

/** Who answers the requests of a connection. `about`: what was known of it when it came. */
export interface Front<About> {
  /** What is thrown ends the connection. */
  onRequest(asked: Asked, response: ServerResponse, about: About): Promise<void>;
  /** A request to go on with another protocol, which has no body. What came behind its head is on the socket. */
  onUpgrade(request: IncomingMessage, socket: Socket, about: About): Promise<void>;
  onConnect(request: IncomingMessage, socket: Socket, about: About): Promise<void>;
  /** Where it does not go on with a protocol, the request is one as others are: nobody has to grant what it asks for. */
  goesOn?(protocol: string): boolean;
  onTrouble(error: unknown): void;
}

export interface HttpFront<About> {
  /** Serves a connection on which a program speaks HTTP/1.1. */
  serve(socket: Socket, about: About): void;
}

/** What is known of a connection while it is open. */
interface Conversation<About> {
  about: About;
  /** Requests that have no whole answer yet: some programs do not wait for one before they send the next. */
  open_requests: number;
  /** Ends it when no head of a request comes. */
  late: NodeJS.Timeout | undefined;
}

/** Where programs speak HTTP to egress, as to a proxy or as to a host. Node's parser reads what they say. */
export function createFront<About>({
  onRequest,
  onUpgrade,
  onConnect,
  goesOn = () => true,
  onTrouble,
}: Front<About>): HttpFront<About> {
  const conversations = new WeakMap<Socket, Conversation<About>>();
  const http = createServer({
    maxHeaderSize: limits.egress_head_bytes_max,
    // Asked for where it is needed, which is not where the request names its host.
    requireHostHeader: false,
    keepAliveTimeout: 0,
    shouldUpgradeCallback(request) {
      const protocol = upgradeOf(request);
      return protocol !== null && !hasBody(request) && goesOn(protocol);
    },
  });
  // Bounded by the size of a head alone: a header that is left out would be lost without a word.
  http.maxHeadersCount = 0;
  http.timeout = limits.egress_idle_ms;
  // A program that has said all that it wants to say may still listen.
  Object.assign(http, { httpAllowHalfOpen: true });

  /** The next head has to be whole in time, after the answer before it. */
  function awaitHead(socket: Socket, conversation: Conversation<About>): void {
    clearTimeout(conversation.late);
    conversation.late = setTimeout(
      () => answerAndEnd(socket, { status: 408, text: "Drover has waited too long for a request." }),
      limits.egress_head_ms,
    );
  }

  function conversationOf(socket: Socket): Conversation<About> {
    const conversation = conversations.get(socket);
    if (!conversation) throw new Error("a request of a connection that nobody serves");
    return conversation;
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const conversation = conversationOf(socket);
    const body = joined(request);
    clearTimeout(conversation.late);
    conversation.open_requests += 1;
    response.on("close", () => {
      // What nobody has waited for is read, for the next request is behind it.
      body.resume();
      conversation.open_requests -= 1;
      if (conversation.open_requests === 0 && !socket.destroyed) awaitHead(socket, conversation);
    });
    response.on("error", () => {});
    const coding = request.headers["transfer-encoding"];
    if (coding !== undefined && coding.toLowerCase() !== "chunked")
      return answer(response, { status: 501, text: `Drover does not carry the transfer coding ${coding}.` });
    if (conversation.open_requests > limits.egress_requests_per_connection_max)
      return answer(response, crowded);
    await onRequest({ request, body }, response, conversation.about);
  }

  /** The connection is no longer one for requests. What came behind the head is back on it. */
  function takeOver(socket: Socket, head: Buffer): About {
    const conversation = conversationOf(socket);
    clearTimeout(conversation.late);
    // An answer to an earlier request would come in between.
    if (conversation.open_requests > 0) socket.destroy();
    else if (head.length > 0) socket.unshift(head);
    return conversation.about;
  }

  /** What is thrown ends the connection that it is about, and no other. */
  const onlyFor = (socket: Socket) => (error: unknown) => {
    onTrouble(error);
    socket.destroy();
  };
  const serveRequest = (request: IncomingMessage, response: ServerResponse) =>
    void take(request, response).catch(onlyFor(request.socket));
  http.on("request", serveRequest);
  http.on("checkContinue", serveRequest);
  const handOver =
    (take: Front<About>["onUpgrade"]) => (request: IncomingMessage, socket: Socket, head: Buffer) =>
      void (async () => take(request, socket, takeOver(socket, head)))().catch(onlyFor(socket));
  http.on("upgrade", handOver(onUpgrade));
  http.on("connect", handOver(onConnect));
  http.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (conversationOf(socket).open_requests > 0) socket.destroy();
    else answerAndEnd(socket, misread(error));
  });

  return {
    serve(socket, about) {
      const conversation: Conversation<About> = { about, open_requests: 0, late: undefined };
      conversations.set(socket, conversation);
      awaitHead(socket, conversation);
      socket.on("close", () => clearTimeout(conversation.late));
      http.emit("connection", socket);
      socket.resume();
    },
  };
}

const crowded: Answer = {
  status: 503,
  text: "Too many requests on one connection wait for their answers. Send fewer at once.",
};

function misread({ code }: NodeJS.ErrnoException): Answer {
  return code === "HPE_HEADER_OVERFLOW"
    ? { status: 431, text: `Drover reads ${limits.egress_head_bytes_max} bytes of a request's head at most.` }
    : { status: 400, text: "Drover could not read this as an HTTP/1.1 request." };
}

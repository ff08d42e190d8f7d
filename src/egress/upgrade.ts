import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Transform } from "node:stream";
import { type Answer, answerAndEnd, headOf } from "./answers.ts";
import type { Target } from "./destination.ts";
import { type Passage, piped, requestTo } from "./forward.ts";
import { endToEnd, lengthOf } from "./headers.ts";
import { joined } from "./joined.ts";
import { bind } from "./tunnel.ts";
import { unreachable } from "./way-out.ts";

/** How a request to go on with another protocol leaves, and what becomes of what the host says then. */
export interface UpgradePassage extends Pick<Passage, "inbound" | "failed"> {
  upstream: ClientRequest;
  /** Of the answer that grants it. */
  granted(from: IncomingMessage): { words: string; headers: string[]; through: Transform[] };
}

/** As it came. `protocol`: the one that is asked for. */
export const plainUpgrade = (
  request: IncomingMessage,
  target: Target,
  socket: Socket,
  protocol: string,
): UpgradePassage => ({
  upstream: requestTo(target, request, socket, ["connection", "upgrade", "upgrade", protocol]),
  granted: (from) => ({ words: from.statusMessage ?? "", headers: endToEnd(from.rawHeaders), through: [] }),
  inbound: (from) => ({
    words: from.statusMessage ?? "",
    headers: [...endToEnd(from.rawHeaders), ...lengthOf(from)],
    through: [],
    trailers: () => [],
  }),
  failed: (error) => unreachable(target, error),
});

/**
 * Carries a request to go on with another protocol, such as WebSocket, and then that one's bytes. Where the host does not
 * want to, its answer is carried, and the connection ends with it.
 */
export function forwardUpgrade(client: Socket, passage: UpgradePassage): void {
  const { upstream } = passage;
  let answered = false;
  const begin = (status: number | undefined, words: string, headers: readonly string[]) => {
    answered = true;
    client.write(headOf(status ?? 502, words, headers), "latin1");
  };
  const instead = (told: Answer | null) => {
    if (answered || told === null) client.destroy();
    else answerAndEnd(client, told);
    answered = true;
  };
  client.on("close", () => upstream.destroy());
  upstream.on("error", (error) => instead(passage.failed(error)));
  upstream.on("upgrade", (from, socket: Socket, head: Buffer) => {
    const { words, headers, through } = passage.granted(from);
    begin(from.statusCode, words, [
      ...headers,
      "connection",
      "upgrade",
      "upgrade",
      from.headers.upgrade ?? "",
    ]);
    if (head.length > 0) socket.unshift(head);
    bind(client, socket);
    client.pipe(socket);
    piped(socket, through, () => client.destroy()).pipe(client);
  });
  upstream.on("response", (from) => {
    const inbound = passage.inbound(from);
    if ("status" in inbound) {
      instead(inbound);
      return upstream.destroy();
    }
    begin(from.statusCode, inbound.words, [...inbound.headers, "connection", "close"]);
    from.on("error", () => client.destroy());
    const last = piped(joined(from), inbound.through, () => client.destroy());
    last.on("end", () => client.destroySoon());
    last.pipe(client, { end: false });
  });
  upstream.end();
}

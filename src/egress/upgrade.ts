import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { answerAndEnd, headOf } from "./answers.ts";
import type { Target } from "./destination.ts";
import { requestTo } from "./forward.ts";
import { endToEnd, lengthOf } from "./headers.ts";
import { carryBothWays } from "./tunnel.ts";
import { unreachable } from "./way-out.ts";

/**
 * Carries a request to go on with another protocol, such as WebSocket, and then that one's bytes. Where the host does not
 * want to, its answer is carried, and the connection ends with it. `protocol`: the one that is asked for.
 */
export function forwardUpgrade(
  request: IncomingMessage,
  client: Socket,
  target: Target,
  socket: Socket,
  protocol: string,
): void {
  const upstream = requestTo(target, request, socket, ["connection", "upgrade", "upgrade", protocol]);
  let answered = false;
  const begin = (from: IncomingMessage, headers: readonly string[]) => {
    answered = true;
    const words = [...endToEnd(from.rawHeaders), ...headers];
    client.write(headOf(from.statusCode ?? 502, from.statusMessage, words), "latin1");
  };
  client.on("close", () => upstream.destroy());
  upstream.on("error", (error) => {
    if (answered) client.destroy();
    else answerAndEnd(client, unreachable(target, error));
  });
  upstream.on("upgrade", (from, _, head: Buffer) => {
    begin(from, ["connection", "upgrade", "upgrade", from.headers.upgrade ?? ""]);
    if (head.length > 0) socket.unshift(head);
    carryBothWays(client, socket);
  });
  upstream.on("response", (from) => {
    begin(from, [...lengthOf(from), "connection", "close"]);
    from.on("error", () => client.destroy());
    from.on("end", () => client.destroySoon());
    from.pipe(client, { end: false });
  });
  upstream.end();
}

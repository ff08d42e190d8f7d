import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import type { CarryLine } from "../net/egress-wire.ts";
import { alertAndEnd } from "./answers.ts";
import type { Opening } from "./client-hello.ts";
import { type Destination, parseHost } from "./destination.ts";
import type { Interception, Opened } from "./intercept.ts";
import { bind, carryBothWays, hearOpening } from "./tunnel.ts";
import type { WayOut } from "./way-out.ts";

/**
 * Carries what a program says within a CONNECT, whatever it is. Where hosts are limited, one that says hello to a TLS server
 * has to mean the host that it is connected to, or another one that is allowed: many share an address. Where credentials may
 * be used, what is said to that very host is not only carried.
 */
export async function openTunnel(
  way: WayOut,
  line: CarryLine,
  to: Destination,
  client: Socket,
  { socket, intercept }: Opened,
): Promise<void> {
  client.write("HTTP/1.1 200 Connection established\r\n\r\n");
  const isLimited = line.network.type === "limited";
  if (!isLimited && intercept === null) return carryBothWays(client, socket);
  const unbind = bind(client, socket);
  // Some servers speak first.
  socket.pipe(client);
  const opening = await hearOpening(client);
  const problem = isLimited ? problemOfOpening(way, line, to, opening) : null;
  if (problem !== null) {
    socket.unpipe(client);
    way.refuse(line, to, problem);
    return alertAndEnd(client);
  }
  if (intercept !== null && opening?.kind === "hello" && socket.bytesRead === 0 && isFor(to, opening)) {
    socket.unpipe(client);
    unbind();
    return intercept(client);
  }
  client.pipe(socket);
}

function problemOfOpening(
  way: WayOut,
  line: CarryLine,
  to: Destination,
  opening: Opening | null,
): string | null {
  if (opening?.kind === "broken") return "what the program sent there begins like TLS and cannot be read";
  if (opening?.kind !== "hello" || isFor(to, opening)) return null;
  const host = parseHost(opening.server_name ?? "");
  const problem = host === null ? "that is no host" : way.problemOf(line, { ...to, host });
  return problem && `the program asked the TLS server there for ${opening.server_name}: ${problem}`;
}

/** Whether it names that host, or none. */
const isFor = ({ host }: Destination, { server_name }: Extract<Opening, { kind: "hello" }>): boolean =>
  server_name === null || parseHost(server_name) === host;

/** For a program that believes it is connected to the host itself, which only its ClientHello names. */
export async function openTls(
  way: WayOut,
  interception: Interception,
  line: CarryLine,
  client: Socket,
): Promise<void> {
  const { port = 443 } = line;
  const silent = () => client.destroy();
  client.setTimeout(limits.egress_head_ms, silent);
  const opening = await hearOpening(client);
  // Whoever carries it from here on says how long it may be silent.
  client.off("timeout", silent).setTimeout(0);
  if (opening === null) return;
  const name = opening.kind === "hello" ? opening.server_name : null;
  const host = name === null ? null : parseHost(name);
  if (host === null) {
    way.refuse(line, { host: "", port }, line.refuse ?? "the program has not named a host in a TLS hello");
    return alertAndEnd(client);
  }
  const opened = await interception.open(line, { host, port });
  if ("denial" in opened) return alertAndEnd(client);
  if (opened.intercept) await opened.intercept(client);
  else carryBothWays(client, opened.socket);
}

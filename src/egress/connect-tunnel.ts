import type { Socket } from "node:net";
import { limits } from "../limits.ts";
import type { CarryLine } from "../net/egress-wire.ts";
import { alertAndEnd } from "./answers.ts";
import { type Destination, parseHost } from "./destination.ts";
import { bind, carryBothWays, hearOpening } from "./tunnel.ts";
import type { WayOut } from "./way-out.ts";

/**
 * Carries what a program says within a CONNECT, whatever it is. Where hosts are limited, one that says hello to a TLS server
 * has to mean the host that it is connected to, or another one that is allowed: many share an address.
 */
export async function openTunnel(
  way: WayOut,
  line: CarryLine,
  to: Destination,
  client: Socket,
  socket: Socket,
): Promise<void> {
  client.write("HTTP/1.1 200 Connection established\r\n\r\n");
  if (line.network.type === "unrestricted") return carryBothWays(client, socket);
  bind(client, socket);
  // Some servers speak first.
  socket.pipe(client);
  const problem = await problemOfOpening(way, line, to, client);
  if (problem === null) {
    client.pipe(socket);
    return;
  }
  socket.unpipe(client);
  way.refuse(line, to, problem);
  alertAndEnd(client);
}

async function problemOfOpening(
  way: WayOut,
  line: CarryLine,
  to: Destination,
  client: Socket,
): Promise<string | null> {
  const opening = await hearOpening(client);
  if (opening?.kind === "broken") return "what the program sent there begins like TLS and cannot be read";
  if (opening?.kind !== "hello" || opening.server_name === null) return null;
  const host = parseHost(opening.server_name);
  if (host === to.host) return null;
  const problem = host === null ? "that is no host" : way.problemOf(line, { ...to, host });
  return problem && `the program asked the TLS server there for ${opening.server_name}: ${problem}`;
}

/** For a program that believes it is connected to the host itself, which only its ClientHello names. */
export async function openTls(way: WayOut, line: CarryLine, client: Socket): Promise<void> {
  const { port = 443 } = line;
  client.setTimeout(limits.egress_head_ms, () => client.destroy());
  const opening = await hearOpening(client);
  if (opening === null) return;
  const name = opening.kind === "hello" ? opening.server_name : null;
  const host = name === null ? null : parseHost(name);
  if (host === null) {
    way.refuse(line, { host: "", port }, line.refuse ?? "the program has not named a host in a TLS hello");
    return alertAndEnd(client);
  }
  const opened = await way.open(line, { host, port });
  if ("denial" in opened) return alertAndEnd(client);
  carryBothWays(client, opened.socket);
}

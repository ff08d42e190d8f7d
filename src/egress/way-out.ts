import type { Socket } from "node:net";
import { connectTo } from "../net/connect.ts";
import type { CarryLine, RefusedLine } from "../net/egress-wire.ts";
import { AddressRefused, type Reach } from "../net/reach.ts";
import type { Answer } from "./answers.ts";
import { type Destination, spelled } from "./destination.ts";
import { judge } from "./policy.ts";
import { type Upstream, UpstreamFailed } from "./upstream.ts";

/** What a program is told instead of what it asked for: 403, it may not go there; 502 to 504, nobody can at present. */
export interface Denial extends Answer {
  status: 403 | 502 | 503 | 504;
}

export type WayOut = ReturnType<typeof createWayOut>;

/** Decides whether a connection leaves, and makes it. Whoever asked carries the bytes. */
export function createWayOut({
  reach,
  upstream,
  package_hosts,
  onRefused,
}: {
  reach: Reach;
  /** Null: connections leave directly. */
  upstream: Upstream | null;
  package_hosts: readonly string[];
  onRefused(line: RefusedLine): void;
}) {
  /** Says so to whoever watches, before the program hears of it. */
  function refuse({ session_id, sandbox_id }: CarryLine, to: Destination, reason: string): Denial {
    const { host, port } = to;
    onRefused({ type: "refused", session_id, sandbox_id, host, port, reason });
    return { status: 403, text: `Drover does not let this sandbox connect to ${spelled(to)}: ${reason}.` };
  }

  /** What is against a host by its name, without telling anybody. */
  const problemOf = (
    { network, refuse: reason }: Pick<CarryLine, "network" | "refuse">,
    to: Destination,
  ): string | null => reason ?? judge(to, network, package_hosts);

  /** Names that a proxy resolves are judged as they are: it alone knows where they lead. */
  async function connect(to: Destination): Promise<Socket> {
    if (upstream?.resolves && !upstream.excepts(to.host)) {
      const problem = reach.problemOf(to.host) ?? reach.problemOfName(to.host);
      if (problem !== null) throw new AddressRefused(problem);
      return upstream.connect(to);
    }
    const addresses = await reach.addressesOf(to.host);
    const isDirect = upstream === null || upstream.excepts(to.host, addresses);
    return isDirect ? connectTo(addresses, to.port) : upstream.connect(to, addresses);
  }

  /** To one of the addresses that the name had when they were judged. */
  async function open(line: CarryLine, to: Destination): Promise<{ socket: Socket } | { denial: Denial }> {
    const problem = problemOf(line, to);
    if (problem !== null) return { denial: refuse(line, to, problem) };
    try {
      return { socket: await connect(to) };
    } catch (error) {
      if (error instanceof AddressRefused) return { denial: refuse(line, to, error.message) };
      return { denial: unreachable(to, error) };
    }
  }

  return { open, problemOf, refuse };
}

const ofCode: Record<string, [status: Denial["status"], why: string]> = {
  ECONNREFUSED: [502, "nothing listens there"],
  ECONNRESET: [502, "it closed the connection"],
  EHOSTUNREACH: [502, "no route leads there from this server"],
  ENETUNREACH: [502, "no route leads there from this server"],
  ETIMEDOUT: [504, "it did not answer in time"],
  EMFILE: [503, "the server has too many connections open; try again"],
  ENFILE: [503, "the server has too many connections open; try again"],
};

/** What became of an attempt to reach a host that nothing is against. */
export function unreachable(to: Destination, error: unknown): Denial {
  if (error instanceof UpstreamFailed)
    return { status: 502, text: `Drover cannot reach ${spelled(to)} for this sandbox: ${error.message}.` };
  const { code = "", message = String(error) } = error as NodeJS.ErrnoException;
  const [status, why] = ofCode[code] ?? [502, message];
  return { status, text: `Drover cannot reach ${spelled(to)} for this sandbox: ${why}.` };
}

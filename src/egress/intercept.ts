import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { limits } from "../limits.ts";
import type { CarryLine } from "../net/egress-wire.ts";
import { alertAndEnd } from "./answers.ts";
import type { Certificates } from "./certificates.ts";
import { type Destination, spelled } from "./destination.ts";
import { createInside } from "./inside.ts";
import { type Known, type SessionVault, VaultAway } from "./session-vault.ts";
import { secureHost, secureProgram } from "./tls-ends.ts";
import { type Usable, usableAt } from "./usable.ts";
import type { Denial, WayOut } from "./way-out.ts";

/** A connection that leads to a host. */
export interface Opened {
  socket: Socket;
  /**
   * Speaks TLS with the program instead of the host, and with the host instead of the program, from the program's hello on,
   * which is on its socket. Null where none of the session's credentials is for that host: nobody else's bytes are read.
   */
  intercept: ((client: Socket) => Promise<void>) | null;
}

/**
 * Where programs of sessions that have credentials meet hosts that these are for.
 * I1. A host is reached by what the environment says, as ever. Only then is it asked whether a credential is for it.
 * I2. A secret leaves only within TLS, to a host that has proven to be the one that was connected to, which every name in the
 *     way (of the CONNECT, of the hello, of the request) is the name of.
 * I3. What comes back passes a redactor that knows all secrets of the session, before the program sees it.
 */
export interface Interception {
  open(line: CarryLine, to: Destination): Promise<Opened | { denial: Denial }>;
}

export interface InterceptionParts {
  way: WayOut;
  /** Null: no connection is looked into, whatever session it is of. */
  vault: SessionVault | null;
  certificates(): Promise<Certificates>;
  /** Whom hosts are to be certified by. */
  trusted(): SecureContext;
  onTrouble(error: unknown): void;
}

export function createInterception(parts: InterceptionParts): Interception {
  const { way, vault, certificates, trusted, onTrouble } = parts;
  if (vault === null)
    return {
      async open(line, to) {
        const opened = await way.open(line, to);
        return "denial" in opened ? opened : { ...opened, intercept: null };
      },
    };
  const remembered = rememberUsable();
  /** What a sandbox host says of its session's environment is not enough for a secret to leave. */
  const usable = (known: Known, to: Destination) => {
    const { network } = known;
    const isOpen = !network || way.problemOf({ network, refuse: null }, to) === null;
    return isOpen ? remembered(known, to) : null;
  };
  const inside = createInside({ vault, usable, onTrouble });

  /** Tells of those that could not be used since the host could not be reached. */
  async function noteUnused(line: CarryLine, to: Destination, outcome: string): Promise<void> {
    const { session_id, pass } = line;
    if (pass === null || vault === null) return;
    const known = await vault.secretsOf({ session_id, pass });
    for (const id of (known && remembered(known, to))?.ids ?? [])
      vault.used({ session_id, pass }, { id, host: to.host, outcome });
  }

  return {
    async open(line, to) {
      const { session_id, pass } = line;
      if (pass === null) {
        const opened = await way.open(line, to);
        return "denial" in opened ? opened : { ...opened, intercept: null };
      }
      const asking = { session_id, pass };
      const knowing = vault.secretsOf(asking).catch(asAway);
      const opened = await way.open(line, to);
      if ("denial" in opened) {
        const { status } = opened.denial;
        const why = status === 403 ? "it is not allowed here" : "it cannot be reached";
        noteUnused(line, to, `not sent: ${why}`).catch(() => {});
        return opened;
      }
      const { socket } = opened;
      const known = await knowing;
      if (known instanceof VaultAway) {
        socket.destroy();
        return { denial: known.answer };
      }
      if (known === null || usable(known, to) === null) return { socket, intercept: null };
      return {
        socket,
        async intercept(client) {
          const upstream = secureHost(socket, to, trusted());
          // Whoever makes a request hears of it.
          upstream.catch(() => {});
          client.once("close", () => socket.destroy());
          try {
            const context = await (await certificates()).of(known.authority, to.host);
            const program = await secureProgram(client, context);
            if (program === null) return void socket.destroy();
            inside.serve(program, { asking, to, upstream });
          } catch (error) {
            onTrouble(error);
            socket.destroy();
            alertAndEnd(client);
          }
        },
      };
    },
  };
}

const asAway = (error: unknown): VaultAway => {
  if (error instanceof VaultAway) return error;
  throw error;
};

/** What may be used where, found once as long as nothing changes. */
function rememberUsable(): (known: Known, to: Destination) => Usable | null {
  const found = new WeakMap<Known, Map<string, Usable | null>>();
  return (known, to) => {
    const hosts = found.get(known) ?? new Map<string, Usable | null>();
    found.set(known, hosts);
    const key = spelled(to);
    const usable = hosts.get(key) ?? usableAt(known, to);
    hosts.delete(key);
    hosts.set(key, usable);
    for (const oldest of hosts.keys()) {
      if (hosts.size <= limits.credentials_hosts_max) break;
      hosts.delete(oldest);
    }
    return usable;
  };
}

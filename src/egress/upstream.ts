import { once } from "node:events";
import { request } from "node:http";
import { connect, isIPv4, type Socket } from "node:net";
import type { EgressProxy } from "../config/egress.ts";
import { limits } from "../limits.ts";
import { openedHosts } from "../net/addresses.ts";
import { oneAtATime } from "../net/pieces.ts";
import { hostOf } from "../net/reach.ts";
import { type Destination, spelled } from "./destination.ts";

/** A proxy that stands between this one and the internet. It is asked for nothing that was not judged before. */
export interface Upstream {
  /** Whether it resolves names. Then no address is known here that could be judged. */
  resolves: boolean;
  /** Whether a host is reached without it. */
  excepts(host: string, addresses?: readonly string[]): boolean;
  /** A connection to a host, or to one of the addresses that were judged. */
  connect(to: Destination, addresses?: readonly string[]): Promise<Socket>;
}

/** Why there is no connection: the proxy's own state, and nothing that it is told or says. */
export class UpstreamFailed extends Error {
  override readonly name = "UpstreamFailed";
}

export function createUpstream({ host, port, credentials, except, names }: EgressProxy): Upstream {
  const direct = openedHosts(except);
  const authorization =
    credentials && `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`;

  async function reachProxy(): Promise<Socket> {
    const socket = connect({
      ...{ host: hostOf(host), port, allowHalfOpen: true, noDelay: true, keepAlive: true },
      ...oneAtATime,
    });
    socket.on("error", () => {});
    const late = setTimeout(() => socket.destroy(new Error("late")), limits.net_connect_ms);
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      throw new UpstreamFailed("the proxy that this server goes through cannot be reached");
    } finally {
      clearTimeout(late);
    }
  }

  return {
    resolves: names === "proxy",
    excepts: (name, addresses = []) =>
      direct.name(name) || direct.address(name) || (addresses.length > 0 && addresses.every(direct.address)),
    async connect(to, addresses) {
      const authority = spelled({ ...to, host: addresses?.find(isIPv4) ?? addresses?.[0] ?? to.host });
      const proxy = await reachProxy();
      const asked = request({
        createConnection: () => proxy,
        method: "CONNECT",
        path: authority,
        headers: ["Host", authority, ...(authorization ? ["Proxy-Authorization", authorization] : [])],
        timeout: limits.net_connect_ms,
      });
      asked.on("timeout", () => proxy.destroy());
      const { promise, resolve, reject } = Promise.withResolvers<Socket>();
      const fail = (why: string) => {
        proxy.destroy();
        reject(new UpstreamFailed(why));
      };
      asked.on("error", () => fail("the proxy that this server goes through closed the connection"));
      // Anything else than a tunnel is about this server and that proxy, and is nothing for programs to read.
      asked.on("response", () => fail("the proxy that this server goes through did not open a tunnel"));
      asked.on("connect", ({ statusCode = 0 }, socket: Socket, head: Buffer) => {
        if (statusCode < 200 || statusCode > 299) return fail(refusedWith(statusCode));
        socket.setTimeout(0);
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      asked.end();
      return promise;
    },
  };
}

const refusedWith = (status: number): string =>
  status === 407
    ? "the proxy that this server goes through does not accept its user and password"
    : `the proxy that this server goes through refused it (${status})`;

import { isIP, type LookupFunction } from "node:net";
import type { Agent, RequestInit, Response } from "undici";
import { limits } from "../limits.ts";
import { AddressRefused, createReach, hostOf, type ReachOptions } from "./reach.ts";

/** Large, and many a process asks nobody. */
export const loadUndici = () => import("undici");

/**
 * The way out for every request whose address a model, an agent's configuration or a page chose. Whatever the URL is, a
 * connection goes only to a public address, or to one that the administrator has opened:
 * I1. A name is resolved once for a connection, all its addresses are judged, and the connection goes to one of them.
 * I2. Each connection is judged where it is made, so one for a redirect is too, whoever follows it.
 * I3. Proxies that the environment names are not used: they would resolve names themselves.
 */
export interface Guard {
  /** What is wrong with a URL before anything is resolved, or null. */
  problemOf(url: URL): string | null;
  /** Rejects with an error in whose causes `refusalIn` finds why, if the guard was against it. */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /** Ends all connections. */
  close(): Promise<void>;
}

export function createGuard(options: ReachOptions): Guard {
  const reach = createReach(options);

  function problemOf(url: URL): string | null {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      return "only http and https URLs can be reached";
    if (url.username !== "" || url.password !== "") return "a URL must not hold a user name or a password";
    if (url.port !== "" && Number(url.port) < 1_024 && url.port !== "80" && url.port !== "443") {
      return `port ${url.port} is not one of the web's`;
    }
    return reach.problemOf(hostOf(url.hostname));
  }

  const lookUp: LookupFunction = (hostname, { all }, done) => {
    reach.addressesOf(hostOf(hostname)).then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: isIP(address) }));
        const [first] = found;
        if (all || !first) done(null, found);
        else done(null, first.address, first.family);
      },
      (error) => done(error, []),
    );
  };

  const agentOf = ({ Agent, buildConnector }: typeof import("undici")): Agent => {
    const connector = buildConnector({
      lookup: lookUp,
      timeout: limits.net_connect_ms,
      autoSelectFamily: true,
      allowH2: false,
    });
    return new Agent({
      connect(target, done) {
        const { protocol, hostname, port } = target;
        const host = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
        const problem = problemOf(new URL(`${protocol}//${host}${port ? `:${port}` : ""}`));
        if (problem === null) connector(target, done);
        else done(new AddressRefused(problem), null);
      },
    });
  };
  let agent: Agent | null = null;
  let isClosed = false;

  return {
    problemOf,
    async fetch(url, init) {
      const undici = await loadUndici();
      agent ??= agentOf(undici);
      if (isClosed) await agent.destroy();
      return undici.fetch(url, { ...init, dispatcher: agent });
    },
    async close() {
      isClosed = true;
      await agent?.destroy();
    },
  };
}

/** Why the guard was against a request that failed, or null when it failed of something else. */
export function refusalIn(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AddressRefused) return cause.message;
  }
  return null;
}

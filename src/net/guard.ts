import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector, fetch, type RequestInit, type Response } from "undici";
import { limits } from "../limits.ts";
import { isPublic, openedHosts, ownAddresses } from "./addresses.ts";
import { resolvePublicly } from "./resolve.ts";

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

export interface GuardOptions {
  /** Names, addresses and subnets that may be reached although they are not public. */
  allow_private_hosts: readonly string[];
  /** The addresses of a name that was not opened. */
  resolve?(name: string): Promise<string[]>;
  /** The addresses of this machine, which are not reached however public they are. */
  own?(): string[];
}

/** The guard does not let the request through. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

export function createGuard(options: GuardOptions): Guard {
  const { allow_private_hosts, resolve = resolvePublicly, own = ownAddresses } = options;
  const opened = openedHosts(allow_private_hosts);
  const mayReach = (address: string) =>
    opened.address(address) || (isPublic(address) && !own().includes(address));

  function problemOf(url: URL): string | null {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      return "only http and https URLs can be reached";
    if (url.username !== "" || url.password !== "") return "a URL must not hold a user name or a password";
    if (url.port !== "" && Number(url.port) < 1_024 && url.port !== "80" && url.port !== "443") {
      return `port ${url.port} is not one of the web's`;
    }
    const host = hostOf(url.hostname);
    if (host.split(".").includes("")) return `${url.hostname} is not the name of a host`;
    if (isIP(host) !== 0 && !mayReach(host)) return notPublic(host);
    return null;
  }

  /** What the system would say of a name that was opened; of every other one, addresses that may be reached. */
  async function addressesOf(name: string): Promise<string[]> {
    if (opened.name(name)) return (await lookup(name, { all: true })).map(({ address }) => address);
    const addresses = await resolve(name);
    if (addresses.length === 0) throw new Error(`${name} has no address in the DNS`);
    if (!addresses.every(mayReach)) throw new AddressRefused(notPublic(name));
    return addresses;
  }

  const lookUp: LookupFunction = (hostname, { all }, done) => {
    addressesOf(hostOf(hostname)).then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: isIP(address) }));
        const [first] = found;
        if (all || !first) done(null, found);
        else done(null, first.address, first.family);
      },
      (error) => done(error, []),
    );
  };

  const connector = buildConnector({
    lookup: lookUp,
    timeout: limits.net_connect_ms,
    autoSelectFamily: true,
    allowH2: false,
  });
  const agent = new Agent({
    connect(target, done) {
      const { protocol, hostname, port } = target;
      const host = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
      const problem = problemOf(new URL(`${protocol}//${host}${port ? `:${port}` : ""}`));
      if (problem === null) connector(target, done);
      else done(new AddressRefused(problem), null);
    },
  });

  return {
    problemOf,
    fetch: (url, init) => fetch(url, { ...init, dispatcher: agent }),
    close: () => agent.destroy(),
  };
}

/** Why the guard was against a request that failed, or null when it failed of something else. */
export function refusalIn(error: unknown): string | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AddressRefused) return cause.message;
  }
  return null;
}

const notPublic = (host: string) =>
  `${host} is not a public address, or one of the server's own; its administrator can open it with DROVER_ALLOW_PRIVATE_HOSTS`;

/** As a URL has it, without the brackets of IPv6 and the dot that may end a name. */
const hostOf = (hostname: string) =>
  hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();

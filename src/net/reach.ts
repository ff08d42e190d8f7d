import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isAmong, isPublic, openedHosts, ownAddresses } from "./addresses.ts";
import { resolvePublicly } from "./resolve.ts";

/**
 * Which hosts can be reached that a model, a page or a program in a sandbox chose: those at public addresses, except for
 * this machine's own, and those that the administrator has opened.
 */
export interface Reach {
  /** What is wrong with a host before anything is resolved, or null. */
  problemOf(host: string): string | null;
  /** What is wrong with a name that is resolved elsewhere, by its spelling: those that lead nowhere public. */
  problemOfName(host: string): string | null;
  /**
   * Where a connection to it may go: one is made to one of these, and to nothing that is resolved again. Rejects with
   * `AddressRefused` unless all that the name leads to may be reached.
   */
  addressesOf(host: string): Promise<string[]>;
}

export interface ReachOptions {
  /** Names, addresses and subnets that may be reached although they are not public. */
  allow_private_hosts: readonly string[];
  /** The addresses of a name that was not opened. */
  resolve?(name: string): Promise<string[]>;
  /** The addresses of this machine, which are not reached however public they are. */
  own?(): string[];
}

/** A host that may not be reached. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

/** Hosts as `hostOf` has them. */
export function createReach(options: ReachOptions): Reach {
  const { allow_private_hosts, resolve = resolvePublicly, own = ownAddresses } = options;
  const opened = openedHosts(allow_private_hosts);
  const mayReach = (address: string) =>
    opened.address(address) || (isPublic(address) && !isAmong(address, own()));

  function problemOf(host: string): string | null {
    if (host.split(".").includes("")) return `${host} is not the name of a host`;
    return isIP(host) !== 0 && !mayReach(host) ? notPublic(host) : null;
  }

  /** What the system would say of a name that was opened; of every other one, what the DNS does. */
  async function addressesOf(host: string): Promise<string[]> {
    const problem = problemOf(host);
    if (problem !== null) throw new AddressRefused(problem);
    if (isIP(host) !== 0) return [host];
    if (opened.name(host)) return (await lookup(host, { all: true })).map(({ address }) => address);
    const addresses = await resolve(host);
    if (addresses.length === 0) throw new Error(`${host} has no address in the DNS`);
    if (!addresses.every(mayReach)) throw new AddressRefused(notPublic(host));
    return addresses;
  }

  const problemOfName = (host: string) =>
    isIP(host) !== 0 || opened.name(host) || !isLocalName(host) ? null : notPublic(host);

  return { problemOf, problemOfName, addressesOf };
}

/** By what networks and clouds call their own. */
const isLocalName = (host: string) =>
  !host.includes(".") ||
  /\.(localhost|local|localdomain|internal|intranet|lan|home|corp|private|arpa)$/.test(host);

const notPublic = (host: string) =>
  `${host} is not a public address, or one of the server's own; its administrator can open it with DROVER_ALLOW_PRIVATE_HOSTS`;

/** As a URL has it, without the brackets of IPv6 and the dot that may end a name. */
export const hostOf = (hostname: string) =>
  hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();

import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * Addresses that are nobody's on the public internet, from IANA's special-purpose registries; and one that is, where a
 * cloud keeps what its machines may know (168.63.129.16). The other clouds' lie in the ranges below.
 */
const special4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** Of IPv6 nothing but this is public, and of this not what follows: protocol assignments (Teredo), examples, 6to4. */
const global6 = ["2000::/3"];
const special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/** IPv4 behind a translator: as public as the address that it ends in. */
const nat64 = "64:ff9b::";
const nat64Bits = 96;

const split = (subnet: string) => {
  const [net = "", bits = ""] = subnet.split("/");
  return { net, bits: Number(bits) };
};

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const { net, bits } of subnets.map(split)) {
    list.addSubnet(net, bits, isIP(net) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

const translated = special4.map(split).map(({ net, bits }) => `${nat64}${net}/${nat64Bits + bits}`);
const closed4 = listOf(special4);
const open6 = listOf([...global6, `${nat64}/${nat64Bits}`]);
const closed6 = listOf([...special6, ...translated]);

/** Whether it is a host of the public internet, and nobody's own network, machine or cloud. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !closed4.check(address, "ipv4");
    case 6:
      return open6.check(address, "ipv6") && !closed6.check(address, "ipv6");
    default:
      return false;
  }
}

/** Of this machine, public ones too: what listens there may be behind a firewall for everybody else. */
export const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((cards) => cards?.map(({ address }) => address) ?? []);

/** Whether it is one of those, be it behind a translator. */
export function isAmong(address: string, addresses: readonly string[]): boolean {
  const list = new BlockList();
  for (const each of addresses) {
    const family = isIP(each);
    if (family === 4) list.addAddress(`${nat64}${each}`, "ipv6");
    if (family !== 0) list.addAddress(each, family === 4 ? "ipv4" : "ipv6");
  }
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

/** What an administrator has opened beside the public internet. */
export interface OpenedHosts {
  name(host: string): boolean;
  address(address: string): boolean;
}

/** From names, addresses and subnets such as `10.1.0.0/16`. */
export function openedHosts(entries: readonly string[]): OpenedHosts {
  const subnets = new BlockList();
  const names = new Set<string>();
  for (const entry of entries) {
    const { net, bits } = split(entry);
    const family = isIP(net);
    if (family === 0) names.add(entry.toLowerCase());
    else if (entry.includes("/")) subnets.addSubnet(net, bits, family === 4 ? "ipv4" : "ipv6");
    else subnets.addAddress(net, family === 4 ? "ipv4" : "ipv6");
  }
  return {
    name: (host) => names.has(host),
    address: (address) => {
      const family = isIP(address);
      return family !== 0 && subnets.check(address, family === 4 ? "ipv4" : "ipv6");
    },
  };
}

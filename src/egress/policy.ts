import { isIP } from "node:net";
import type { OpenNetwork } from "../net/egress-wire.ts";
import type { Destination } from "./destination.ts";

/** ssh and the web; and where programs listen that need no rights for it. Not mail above all. */
const isOpenPort = (port: number) => port === 22 || port === 80 || port === 443 || port >= 1_024;

/**
 * Why a sandbox may not connect to a host, by its name alone, and who can change that; null when nothing is against it.
 * Which addresses the name leads to is judged where they are known.
 */
export function judge(
  { host, port }: Destination,
  network: OpenNetwork,
  package_hosts: readonly string[],
): string | null {
  if (!isOpenPort(port))
    return `port ${port} is closed to every sandbox; 22, 80, 443 and those from 1024 on are open`;
  if (network.type === "unrestricted" || isOneOf(host, network.hosts)) return null;
  const isRegistry = isOneOf(host, package_hosts);
  if (isRegistry && network.package_managers) return null;
  const other = isRegistry ? ", or turn on allow_package_managers" : "";
  return `it is not one of the allowed_hosts of this session's environment; whoever manages the environment can add it there, under config.networking${other}`;
}

/** `*.example.com` is every name under example.com, and not that name itself. An address is only what is written the same. */
export function isOneOf(host: string, patterns: readonly string[]): boolean {
  const isName = isIP(host) === 0;
  return patterns.some((each) => {
    const pattern = each.toLowerCase().replace(/\.$/, "");
    return pattern.startsWith("*.") ? isName && host.endsWith(pattern.slice(1)) : host === pattern;
  });
}

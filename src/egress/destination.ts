import { isIPv6 } from "node:net";
import { hostOf } from "../net/reach.ts";

/** Where a program in a sandbox wants to go. */
export interface Destination {
  /** A name or an address in its one plain spelling, in lower case, without brackets and closing dot. */
  host: string;
  port: number;
}

/** As people write it. */
export const spelled = ({ host, port }: Destination): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** A host in any spelling that a URL takes: 0x7f.1 is 127.0.0.1. Null for anything else. */
export function parseHost(text: string): string | null {
  if (!/^(\[[0-9a-f:.]+\]|[^\s/?#@:\\[\]]+)$/i.test(text) || !URL.canParse(`http://${text}/`)) return null;
  const host = hostOf(new URL(`http://${text}/`).hostname);
  return host === "" || host.length > 253 ? null : host;
}

/** `host` or `host:port`, where a port is needed if there is no default. */
export function parseAuthority(text: string, defaultPort: number | null): Destination | null {
  const [, name = "", digits] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = parseHost(name);
  const port = digits === undefined ? defaultPort : Number(digits);
  return host === null || port === null || port < 1 || port > 65_535 ? null : { host, port };
}

/** Of a request as a proxy gets it, `http://host:port/path`, or as the host itself does: `/path`. */
export interface Target extends Destination {
  /** As it came, byte for byte. */
  path: string;
}

const absolute = /^http:\/\/([^/?#]*)([^#]*)$/i;

/** Null when it is not a whole http URL. */
export function parseAbsolute(url: string, method: string): Target | null {
  const [, named = "", path = ""] = absolute.exec(url) ?? [];
  const destination = parseAuthority(named, 80);
  return destination && { ...destination, path: path.startsWith("/") ? path : emptyPath(path, method) };
}

/** A URL without a path means all of the server, where that makes a difference. */
const emptyPath = (query: string, method: string) =>
  query === "" && method === "OPTIONS" ? "*" : `/${query}`;

/** What a sandbox with a network finds on its loopback, and is told of it. */

/** A proxy, for every program that heeds the variables below. */
export const proxy = { host: "127.0.0.1", port: 3128 } as const;

/** What every name resolves to: the ports there are for programs that heed no variables. */
export const namesAddress = "127.0.0.80";

const dns = { host: "127.0.0.1", port: 53 } as const;

export type ListenerRole = "proxy" | "http" | "tls" | "dns";

/** Where the namespace of a sandbox is listened in, over TCP; names are asked for over UDP too. */
export const tcpListeners: readonly { role: ListenerRole; host: string; port: number }[] = [
  { role: "proxy", ...proxy },
  { role: "http", host: namesAddress, port: 80 },
  { role: "tls", host: namesAddress, port: 443 },
  { role: "dns", ...dns },
];
export const udpListener = dns;

export const resolvConf = { none: "# The sandbox has no network.\n", open: `nameserver ${dns.host}\n` };

const proxyUrl = `http://${proxy.host}:${proxy.port}`;
const direct = "localhost,127.0.0.1,::1";

/** Which spelling a program looks for depends on the program. */
export const proxyEnvironment: Readonly<Record<string, string>> = {
  HTTP_PROXY: proxyUrl,
  http_proxy: proxyUrl,
  HTTPS_PROXY: proxyUrl,
  https_proxy: proxyUrl,
  ALL_PROXY: proxyUrl,
  all_proxy: proxyUrl,
  NO_PROXY: direct,
  no_proxy: direct,
  NODE_USE_ENV_PROXY: "1",
  YARN_HTTP_PROXY: proxyUrl,
  YARN_HTTPS_PROXY: proxyUrl,
};

import { z } from "zod";
import { hostAndPort, hostsAndPorts, parseHostAndPort } from "./hands.ts";
import { absolutePath, type TlsFiles, tlsFiles } from "./tls-files.ts";
import { isHostEntry } from "./web.ts";

/** How egress processes of several machines know each other. */
export interface EgressLink {
  /** Where this one, beside a serve, takes those of other machines; null: nowhere. */
  listen: { host: string; port: number } | null;
  /** Those beside a serve, which take the connections of sessions with credentials. None: they leave from here. */
  upstream: { host: string; port: number }[];
  /** What this one proves by who it is; null where it speaks to no other. */
  tls: TlsFiles | null;
}

/** A proxy that `drover egress` goes through, where nothing else leads out of a network. */
export interface EgressProxy {
  host: string;
  port: number;
  /** What it is told of who asks. Nobody else is. */
  credentials: { user: string; password: string } | null;
  /** Names, addresses and subnets that are reached without it. */
  except: string[];
  /** Who resolves names: `egress`, which then judges addresses and asks for one of them, or the proxy. */
  names: "egress" | "proxy";
}

const proxyProblem = "must be http://host:port or http://user:password@host:port";

const proxyUrl = z
  .string()
  .refine((text) => parseProxy(text) !== null, proxyProblem)
  .optional();
const exceptions = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ""))
  .refine(
    (entries) => entries.every(isHostEntry),
    "must be host names, addresses or subnets such as 10.1.0.0/16, separated by commas",
  )
  .optional();

export const egressVariables = {
  DROVER_EGRESS_PROXY: proxyUrl,
  DROVER_EGRESS_NO_PROXY: exceptions,
  DROVER_EGRESS_NAMES: z.enum(["egress", "proxy"], "must be egress or proxy").optional(),
  DROVER_EGRESS_LISTEN: hostAndPort.optional(),
  DROVER_EGRESS_UPSTREAM: hostsAndPorts.optional(),
  DROVER_EGRESS_CA: absolutePath.optional(),
  DROVER_EGRESS_CERT: absolutePath.optional(),
  DROVER_EGRESS_KEY: absolutePath.optional(),
};
type EgressVariables = z.infer<z.ZodObject<typeof egressVariables>>;

export const egressShape = z.strictObject({
  proxy: proxyUrl,
  no_proxy: z.array(z.string().refine(isHostEntry, "must be a host name, an address or a subnet")).optional(),
  names: z.enum(["egress", "proxy"], "must be egress or proxy").optional(),
  listen: hostAndPort.optional(),
  upstream: z.array(hostAndPort).optional(),
  ca: absolutePath.optional(),
  cert: absolutePath.optional(),
  key: absolutePath.optional(),
});
export type EgressFile = z.infer<typeof egressShape>;

/** The variables hold before what the file says. Null: connections leave directly. Problems name the setting. */
export function egressSettings(
  env: EgressVariables,
  file: EgressFile,
): { egress_proxy: EgressProxy | null; problems: string[] } {
  const url = env.DROVER_EGRESS_PROXY ?? file.proxy;
  const except = env.DROVER_EGRESS_NO_PROXY ?? file.no_proxy;
  const names = env.DROVER_EGRESS_NAMES ?? file.names;
  const parsed = parseProxy(url ?? "");
  if (parsed !== null)
    return { egress_proxy: { ...parsed, except: except ?? [], names: names ?? "egress" }, problems: [] };
  const without = [
    except?.length && (env.DROVER_EGRESS_NO_PROXY ? "DROVER_EGRESS_NO_PROXY" : "egress.no_proxy"),
    names && (env.DROVER_EGRESS_NAMES ? "DROVER_EGRESS_NAMES" : "egress.names"),
  ];
  const problems = without.flatMap((name) =>
    name && url === undefined ? [`${name}: is about a proxy, and DROVER_EGRESS_PROXY names none`] : [],
  );
  return { egress_proxy: null, problems };
}

/** The same of the other egress processes. */
export function egressLink(
  env: EgressVariables,
  file: EgressFile,
): { egress_link: EgressLink; problems: string[] } {
  const named = env.DROVER_EGRESS_UPSTREAM ?? file.upstream ?? [];
  const upstream = named.flatMap((entry) => parseHostAndPort(entry) ?? []);
  const files = {
    ca: env.DROVER_EGRESS_CA ?? file.ca,
    cert: env.DROVER_EGRESS_CERT ?? file.cert,
    key: env.DROVER_EGRESS_KEY ?? file.key,
  };
  const listen = parseHostAndPort(env.DROVER_EGRESS_LISTEN ?? file.listen ?? "");
  const why = listen || upstream.length > 0 ? "other machines are spoken to over mutual TLS" : null;
  const { tls, problems } = tlsFiles("DROVER_EGRESS", files, why);
  if (listen && upstream.length > 0)
    problems.push(
      "DROVER_EGRESS_UPSTREAM: is for the egress of a machine without a server, and DROVER_EGRESS_LISTEN for one beside a server: set one of them",
    );
  return { egress_link: { listen, upstream, tls }, problems };
}

/** The variables that say so to `egress` alone. */
export const egressEnvironment = (proxy: EgressProxy | null): NodeJS.ProcessEnv =>
  proxy === null
    ? {}
    : {
        DROVER_EGRESS_PROXY: spelled(proxy),
        DROVER_EGRESS_NO_PROXY: proxy.except.join(","),
        DROVER_EGRESS_NAMES: proxy.names,
      };

/** For people: without what it is told of who asks. */
export const shownProxy = ({ host, port, credentials }: EgressProxy): string =>
  `http://${credentials ? "***@" : ""}${host}:${port}`;

export const linkEnvironment = ({ listen, upstream, tls }: EgressLink): NodeJS.ProcessEnv => ({
  ...(listen && { DROVER_EGRESS_LISTEN: spelledPlace(listen) }),
  ...(upstream.length > 0 && { DROVER_EGRESS_UPSTREAM: upstream.map(spelledPlace).join(",") }),
  ...(tls && { DROVER_EGRESS_CA: tls.ca, DROVER_EGRESS_CERT: tls.cert, DROVER_EGRESS_KEY: tls.key }),
});

export const spelledPlace = ({ host, port }: { host: string; port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

function spelled({ host, port, credentials }: EgressProxy): string {
  const { user = "", password = "" } = credentials ?? {};
  const who = credentials ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : "";
  return `http://${who}${host}:${port}`;
}

function parseProxy(text: string): Pick<EgressProxy, "host" | "port" | "credentials"> | null {
  if (!/^http:\/\//i.test(text) || !URL.canParse(text)) return null;
  const { hostname, port, username, password, pathname, search, hash } = new URL(text);
  if (hostname === "" || pathname !== "/" || `${search}${hash}` !== "") return null;
  try {
    const credentials =
      username === "" && password === ""
        ? null
        : { user: decodeURIComponent(username), password: decodeURIComponent(password) };
    return { host: hostname, port: Number(port || 80), credentials };
  } catch {
    return null;
  }
}

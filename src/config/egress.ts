import { z } from "zod";
import { isHostEntry } from "./web.ts";

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
};
type EgressVariables = z.infer<z.ZodObject<typeof egressVariables>>;

export const egressShape = z.strictObject({
  proxy: proxyUrl,
  no_proxy: z.array(z.string().refine(isHostEntry, "must be a host name, an address or a subnet")).optional(),
  names: z.enum(["egress", "proxy"], "must be egress or proxy").optional(),
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

import { isIP } from "node:net";
import { z } from "zod";
import { limits } from "../limits.ts";
import { driverShape } from "./driver.ts";
import { absolutePath, type TlsFiles, tlsFiles } from "./tls-files.ts";

/** What the configuration says of sandbox hosts on other machines. */

export interface HandsSettings {
  /** None: only the one of this machine. */
  hosts: { host: string; port: number }[];
  /** What this machine proves by who it is; null where it speaks to no other. */
  tls: TlsFiles | null;
  /** A host of which nothing was heard for so long is given up. */
  host_gone_ms: number;
  /** Sandboxes that may run on this machine at once. Null: as many as its memory is good for. */
  sandboxes_max: number | null;
}

const seconds = z.coerce
  .number("must be a number of seconds from 1 to 3600")
  .min(1, "must be a number of seconds from 1 to 3600")
  .max(3_600, "must be a number of seconds from 1 to 3600");
const count = z.coerce
  .number("must be a whole number from 1 to 10000")
  .int("must be a whole number from 1 to 10000")
  .min(1, "must be a whole number from 1 to 10000")
  .max(10_000, "must be a whole number from 1 to 10000");
const isHostAndPort = (text: string) => parseHostAndPort(text) !== null;
export const hostAndPort = z
  .string("must be host:port")
  .refine(isHostAndPort, "must be host:port, such as 10.0.0.2:8401");
/** Several of them, in a variable. */
export const hostsAndPorts = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ""))
  .refine(
    (entries) => entries.every(isHostAndPort),
    "each must be host:port, such as 10.0.0.2:8401, separated by commas",
  );

export const handsShape = z.strictObject({
  hosts: z.array(hostAndPort).optional(),
  ca: absolutePath.optional(),
  cert: absolutePath.optional(),
  key: absolutePath.optional(),
  host_gone_seconds: seconds.optional(),
  sandboxes_max: count.optional(),
  ...driverShape,
});
export type HandsFile = z.infer<typeof handsShape>;

export const handsVariables = {
  DROVER_HANDS_HOSTS: hostsAndPorts.optional(),
  DROVER_HANDS_CA: absolutePath.optional(),
  DROVER_HANDS_CERT: absolutePath.optional(),
  DROVER_HANDS_KEY: absolutePath.optional(),
  DROVER_HOST_GONE: seconds.optional(),
  DROVER_SANDBOXES_MAX: count.optional(),
};
type HandsVariables = z.infer<z.ZodObject<typeof handsVariables>>;

/** Each variable holds before what the file says. Problems name the setting. */
export function handsSettings(
  env: HandsVariables,
  file: HandsFile,
): { hands: HandsSettings; problems: string[] } {
  const problems: string[] = [];
  const hosts = (env.DROVER_HANDS_HOSTS ?? file.hosts ?? []).flatMap(
    (entry) => parseHostAndPort(entry) ?? [],
  );
  const named = hosts.map(({ host, port }) => `${host}:${port}`);
  const twice = named.find((name, i) => named.indexOf(name) !== i);
  if (twice !== undefined)
    problems.push(`${env.DROVER_HANDS_HOSTS ? "DROVER_HANDS_HOSTS" : "hands.hosts"}: names ${twice} twice`);
  const files = {
    ca: env.DROVER_HANDS_CA ?? file.ca,
    cert: env.DROVER_HANDS_CERT ?? file.cert,
    key: env.DROVER_HANDS_KEY ?? file.key,
  };
  const why = hosts.length > 0 ? "other hosts are spoken to over mutual TLS" : null;
  const { tls, problems: ofFiles } = tlsFiles("DROVER_HANDS", files, why);
  problems.push(...ofFiles);
  const gone = env.DROVER_HOST_GONE ?? file.host_gone_seconds;
  return {
    hands: {
      hosts,
      tls,
      host_gone_ms: gone === undefined ? limits.host_gone_ms : gone * 1_000,
      sandboxes_max: env.DROVER_SANDBOXES_MAX ?? file.sandboxes_max ?? null,
    },
    problems,
  };
}

/** `host:port`, `10.0.0.2:8401` or `[fd00::2]:8401`. Null for anything else. */
export function parseHostAndPort(text: string): { host: string; port: number } | null {
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return null;
  if (inBrackets !== undefined) return isIP(inBrackets) === 6 ? { host: inBrackets, port } : null;
  return plain === undefined ? null : { host: plain, port };
}

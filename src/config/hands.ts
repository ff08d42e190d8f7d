import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { limits } from "../limits.ts";
import { driverShape } from "./driver.ts";

/** What the configuration says of sandbox hosts on other machines. */

export interface HandsSettings {
  /** None: only the one of this machine. */
  hosts: { host: string; port: number }[];
  /** What this machine proves by who it is; null where it speaks to no other. */
  tls: { ca: string; cert: string; key: string } | null;
  /** A host of which nothing was heard for so long is given up. */
  host_gone_ms: number;
  /** Sandboxes that may run on this machine at once. Null: as many as its memory is good for. */
  sandboxes_max: number | null;
}

const path = z.string("must be an absolute path").refine(isAbsolute, "must be an absolute path");
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
const hostAndPort = z
  .string("must be host:port")
  .refine(isHostAndPort, "must be host:port, such as 10.0.0.2:8401");

export const handsShape = z.strictObject({
  hosts: z.array(hostAndPort).optional(),
  ca: path.optional(),
  cert: path.optional(),
  key: path.optional(),
  host_gone_seconds: seconds.optional(),
  sandboxes_max: count.optional(),
  ...driverShape,
});
export type HandsFile = z.infer<typeof handsShape>;

export const handsVariables = {
  DROVER_HANDS_HOSTS: z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((entry) => entry !== ""))
    .refine(
      (entries) => entries.every(isHostAndPort),
      "each must be host:port, such as 10.0.0.2:8401, separated by commas",
    )
    .optional(),
  DROVER_HANDS_CA: path.optional(),
  DROVER_HANDS_CERT: path.optional(),
  DROVER_HANDS_KEY: path.optional(),
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
  const tls = {
    ca: env.DROVER_HANDS_CA ?? file.ca,
    cert: env.DROVER_HANDS_CERT ?? file.cert,
    key: env.DROVER_HANDS_KEY ?? file.key,
  };
  const { ca, cert, key } = tls;
  const complete = ca !== undefined && cert !== undefined && key !== undefined ? { ca, cert, key } : null;
  const wanted = hosts.length > 0 || Object.values(tls).some((each) => each !== undefined);
  if (wanted && complete === null) {
    const missing = (["ca", "cert", "key"] as const).filter((each) => tls[each] === undefined);
    const why = hosts.length > 0 ? "other hosts are spoken to over mutual TLS" : "the three go together";
    for (const each of missing)
      problems.push(
        `DROVER_HANDS_${each.toUpperCase()}: is missing: ${why}; \`drover certs\` makes the files`,
      );
  }
  const gone = env.DROVER_HOST_GONE ?? file.host_gone_seconds;
  return {
    hands: {
      hosts,
      tls: complete,
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

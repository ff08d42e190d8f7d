import { isAbsolute } from "node:path";
import { z } from "zod";

/** Where the three files lie by which a process proves who it is, and knows others. */
export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
}

export const absolutePath = z
  .string("must be an absolute path")
  .refine(isAbsolute, "must be an absolute path");

/** Null where none of them is named. `why`: why they are needed, if they are; `name` is how their variables begin. */
export function tlsFiles(
  name: string,
  given: { [Each in keyof TlsFiles]: string | undefined },
  why: string | null,
): { tls: TlsFiles | null; problems: string[] } {
  const { ca, cert, key } = given;
  if (ca !== undefined && cert !== undefined && key !== undefined)
    return { tls: { ca, cert, key }, problems: [] };
  const missing = (["ca", "cert", "key"] as const).filter((each) => given[each] === undefined);
  if (why === null && missing.length === 3) return { tls: null, problems: [] };
  return {
    tls: null,
    problems: missing.map(
      (each) =>
        `${name}_${each.toUpperCase()}: is missing: ${why ?? "the three go together"}; \`drover certs\` makes the files`,
    ),
  };
}

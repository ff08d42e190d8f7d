import { z } from "zod";
import { invalid } from "./errors.ts";

/** Key and value pairs that belong to the client; the server only keeps them. */

const pairsMax = 16;
const key = z.string().min(1).max(64);
const value = z.string().max(512);

const tooMany = `holds more than ${pairsMax} pairs`;
const withinPairsMax = (pairs: Record<string, unknown>) => Object.keys(pairs).length <= pairsMax;

export const metadata = z.record(key, value);
export type Metadata = z.infer<typeof metadata>;

export const metadataParams = metadata.refine(withinPairsMax, tooMany);

/** A string sets its key, null removes it. How many pairs result is known only after the merge. */
export const metadataPatch = z.record(key, value.nullable());
export type MetadataPatch = z.infer<typeof metadataPatch>;

/** The pairs that result from a patch. */
export function patchedMetadata(current: Metadata, patch: MetadataPatch): Metadata {
  const merged = new Map(Object.entries(current));
  for (const [name, text] of Object.entries(patch)) {
    if (text === null) merged.delete(name);
    else merged.set(name, text);
  }
  const result = Object.fromEntries(merged);
  if (!withinPairsMax(result)) throw invalid(`metadata: ${tooMany}`, { code: "invalid_metadata" });
  return result;
}

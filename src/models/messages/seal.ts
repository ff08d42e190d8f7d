import { z } from "zod";
import type { VendorData } from "../model.ts";

/**
 * What another vendor wants back with a block, in the form in which the Messages API has such things: opaque to the client,
 * who sends it back as it is. It holds no secret and gives no right: a client that changes it spoils its own request.
 */

const prefix = "drover:";

const vendorData = z.object({ provider: z.string(), data: z.string().nullable() });

export const sealed = (vendor: VendorData): string =>
  prefix + Buffer.from(JSON.stringify(vendor)).toString("base64url");

/** Null: it is somebody else's. */
export function unsealed(text: string): VendorData | null {
  if (!isSealed(text)) return null;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text.slice(prefix.length), "base64url").toString("utf8"));
    const { data } = vendorData.safeParse(parsed);
    if (data?.data != null) JSON.parse(data.data);
    return data ?? null;
  } catch {
    return null;
  }
}

export const isSealed = (text: unknown): boolean => typeof text === "string" && text.startsWith(prefix);

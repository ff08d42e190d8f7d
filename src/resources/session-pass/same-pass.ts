import { createHash, timingSafeEqual } from "node:crypto";

/** In the same time, wherever they differ. */
export const isSamePass = (one: string, other: string): boolean =>
  timingSafeEqual(hashOf(one), hashOf(other));

const hashOf = (text: string) => createHash("sha256").update(text).digest();

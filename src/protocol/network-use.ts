import { z } from "zod";

/** What the programs of a sandbox have used of the network, and what they were refused. Beyond the official API. */
export const networkUse = z.object({
  connections: z.int().nonnegative(),
  bytes_sent: z.int().nonnegative(),
  bytes_received: z.int().nonnegative(),
  /** The first different ones. */
  refused: z.array(
    z.object({
      /** As the program named it; empty when it named none. */
      host: z.string(),
      port: z.int(),
      reason: z.string(),
      count: z.int().positive(),
    }),
  ),
  /** How many there were of others. */
  refused_more: z.int().nonnegative(),
});
export type NetworkUse = z.infer<typeof networkUse>;

export const refusalsIn = ({ refused, refused_more }: NetworkUse): number =>
  refused.reduce((sum, { count }) => sum + count, refused_more);

import { z } from "zod";

/**
 * What `hands` says to the egress process, over its unix socket. A connection begins with one JSON line:
 *
 * `carry`: all that follows are the bytes of one connection that a program in a sandbox has made, and the answer are the
 * bytes for that program. Nothing of either is framed: whoever ends its side, ends that side of the program's connection.
 * `watch`: egress answers with a line for each connection that it refuses from then on, those that `hands` wants refused
 * among them, for as long as the connection is open. Such a line leaves before the program hears of it.
 *
 * Egress keeps nothing between connections. What a line says is all it knows of a sandbox, and it believes it: only
 * `hands` can reach the socket.
 */

/** Names, or all names under one: `*.example.com`, which `example.com` is not. */
const hosts = z.array(z.string());

/** What a sandbox with a way out may reach. Beside it: only public addresses, unless the administrator has opened others. */
export const openNetwork = z.discriminatedUnion("type", [
  z.object({ type: z.literal("unrestricted") }),
  z.object({
    type: z.literal("limited"),
    hosts,
    /** The registries of the package managers too. */
    package_managers: z.boolean(),
  }),
]);
export type OpenNetwork = z.infer<typeof openNetwork>;

export const carryLine = z.object({
  type: z.literal("carry"),
  session_id: z.string().min(1).max(200),
  sandbox_id: z.string().min(1).max(200),
  network: openNetwork,
  /** By which egress is told of the session's credentials; null where it has none. See `vault-wire.ts`. */
  pass: z.string().min(1).max(200).nullable(),
  /**
   * How the program has come here. `proxy`: it speaks to a proxy, and knows it. `http` and `tls`: it believes that it is
   * connected to the host itself, which its Host header or its ClientHello names.
   */
  as: z.enum(["proxy", "http", "tls"]),
  /** Of `http` and `tls`: the port that the program has connected to; 80 and 443 if unset. */
  port: z.int().min(1).max(65_535).optional(),
  /** Why `hands` does not want the connection, in a sentence for the program; null when it has nothing against it. */
  refuse: z.string().max(2_000).nullable(),
});
export type CarryLine = z.infer<typeof carryLine>;

export const watchLine = z.object({ type: z.literal("watch") });

export const egressLine = z.discriminatedUnion("type", [carryLine, watchLine]);
export type EgressLine = z.infer<typeof egressLine>;

/** A connection, or a request on one, that did not leave. */
export const refusedLine = z.object({
  type: z.literal("refused"),
  session_id: z.string(),
  sandbox_id: z.string(),
  /** As the program named it, in lower case; empty when it named none. */
  host: z.string(),
  port: z.int(),
  /** Why, and who can change it: what the program was told too. */
  reason: z.string(),
});
export type RefusedLine = z.infer<typeof refusedLine>;

import { constants } from "node:crypto";
import { once } from "node:events";
import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, getCACertificates, type SecureContext, TLSSocket } from "node:tls";
import { limits } from "../limits.ts";
import type { Destination } from "./destination.ts";

/** A host whose certificate is not one of it, or with which TLS could not be agreed on. */
export class HostNotProven extends Error {
  override readonly name = "HostNotProven";
}

const common = { ALPNProtocols: ["http/1.1"] };

/** Whom this process believes: the authorities that come with Node, the system's, those in NODE_EXTRA_CA_CERTS, and `more`. */
export function trustedAuthorities(more: readonly string[]): SecureContext {
  const all = new Set([...getCACertificates("default"), ...getCACertificates("system"), ...more]);
  return createSecureContext({ ca: [...all], minVersion: "TLSv1.2" });
}

/** TLS with a host over a connection to it. Rejects unless it has proven to be that host. */
export async function secureHost(
  socket: Socket,
  { host }: Destination,
  secureContext: SecureContext,
): Promise<TLSSocket> {
  const named = isIP(host) === 0 ? { servername: host } : {};
  const secured = connect({ socket, host, ...named, ...common, secureContext, rejectUnauthorized: true });
  const late = setTimeout(
    () => secured.destroy(new Error("it took too long to agree on TLS")),
    limits.net_connect_ms,
  );
  try {
    await once(secured, "secureConnect");
    secured.on("error", () => {});
    return secured;
  } catch (error) {
    secured.on("error", () => {});
    throw new HostNotProven((error as Error).message);
  } finally {
    clearTimeout(late);
  }
}

/**
 * TLS with a program, as the host that the certificate names. Null when it came to nothing: the program does not believe the
 * certificate, or speaks no HTTP/1.1.
 */
export async function secureProgram(client: Socket, secureContext: SecureContext): Promise<TLSSocket | null> {
  const secured = new TLSSocket(client, {
    isServer: true,
    secureContext,
    ...common,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  });
  // Those before the handshake is done come as the one, and later ones as the other.
  secured.on("error", () => {});
  secured.on("_tlsError", () => secured.destroy());
  const late = setTimeout(() => secured.destroy(), limits.egress_hello_ms);
  const { promise, resolve } = Promise.withResolvers<TLSSocket | null>();
  secured.once("secure", () => resolve(secured));
  secured.once("close", () => resolve(null));
  try {
    return await promise;
  } finally {
    clearTimeout(late);
  }
}

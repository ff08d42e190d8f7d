import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { PeerCertificate, SecureContextOptions } from "node:tls";
import type { TlsFiles } from "../config/tls-files.ts";

/**
 * Who may speak with whom: every certificate is signed by one private authority and names its role. A host takes only
 * those of a serve, and a serve only those of hosts. An egress process beside a serve takes only those of the egress processes
 * of hosts, and these only those of such a one.
 */
export type Role = "serve" | "hands" | "egress" | "host egress";

export interface Identity {
  ca: string;
  cert: string;
  key: string;
}

/** What a certificate's subject says as its organizational unit. */
export const unitOf = (role: Role): string => `drover ${role}`;

/** What both sides hold to. */
export const tlsOptions = ({ ca, cert, key }: Identity): SecureContextOptions => ({
  ca,
  cert,
  key,
  minVersion: "TLSv1.3",
});

/** Why the other side is not of that role, though the authority has signed it; null when it is. */
export function wrongRole({ subject }: Pick<PeerCertificate, "subject">, role: Role): string | null {
  const unit: unknown = subject?.OU;
  if (unit === unitOf(role)) return null;
  return `its certificate is one of "${unit ?? "no unit"}", not of "${unitOf(role)}"`;
}

/** The files of one side, read and judged: what the other side would refuse fails here, with what to do. */
export function readIdentity(files: TlsFiles, role: Role, now = new Date()): Identity {
  const identity: Identity = { ca: readText(files.ca), cert: readText(files.cert), key: readText(files.key) };
  if ((statSync(files.key).mode & 0o007) !== 0)
    throw new Error(`${files.key} can be read by every user: chmod 600 it`);
  const ca = parsed(files.ca, () => new X509Certificate(identity.ca));
  const cert = parsed(files.cert, () => new X509Certificate(identity.cert));
  const key = parsed(files.key, () => createPrivateKey(identity.key));
  if (!cert.checkPrivateKey(key)) throw new Error(`${files.key} is not the key of ${files.cert}`);
  if (!cert.verify(ca.publicKey)) throw new Error(`${files.cert} was not signed by ${files.ca}`);
  const wrong = wrongRole(cert.toLegacyObject(), role);
  if (wrong !== null) throw new Error(`${files.cert} cannot be used here: ${wrong}`);
  for (const [path, each] of [
    [files.ca, ca],
    [files.cert, cert],
  ] as const) {
    if (each.validToDate < now)
      throw new Error(`${path} has expired at ${each.validToDate.toISOString()}: make a new one`);
    if (each.validFromDate > now)
      throw new Error(
        `${path} is not valid before ${each.validFromDate.toISOString()}: set this clock right`,
      );
  }
  return identity;
}

export const expiryOf = ({ cert }: Identity): Date => new X509Certificate(cert).validToDate;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** What the parser says may quote the file, so it is not repeated. */
function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new Error(`${path} is not what it should be, in PEM`);
  }
}

import "reflect-metadata";
import { randomBytes, type webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { type Role, unitOf } from "../hands/identity.ts";

cryptoProvider.set(crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** In PEM. */
export interface Pair {
  cert: string;
  key: string;
}

export interface Validity {
  from: Date;
  to: Date;
}

/** An authority of its own for the servers and the sandbox hosts of one installation. */
export async function makeAuthority({ from, to }: Validity): Promise<Pair> {
  const keys = await newKeys();
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: nameOf("Drover private CA", "drover ca"),
    keys,
    serialNumber: newSerial(),
    notBefore: from,
    notAfter: to,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return inPem(cert, keys);
}

/**
 * A certificate of one role. Those of a host and of an egress process beside a serve name the addresses by which they are
 * reached, and only they can be shown to a client; only those of the other roles can be shown to them.
 */
export async function makeCertificate(
  authority: Pair,
  { role, name, addresses, from, to }: { role: Role; name: string; addresses: string[] } & Validity,
): Promise<Pair> {
  const keys = await newKeys();
  const issuer = new X509Certificate(authority.cert);
  const isAsked = role === "hands" || role === "egress";
  const usage = isAsked ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
  const names = addresses.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value }));
  const cert = await X509CertificateGenerator.create({
    subject: nameOf(name, unitOf(role)),
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    serialNumber: newSerial(),
    notBefore: from,
    notAfter: to,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage], true),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return inPem(cert, keys);
}

const nameOf = (name: string, unit: string) => new Name([{ CN: [name] }, { OU: [unit] }]);

/** Positive, and of 16 bytes. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const importKey = (pem: string) =>
  crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);

async function inPem(cert: X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<Pair> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: `${cert.toString("pem")}\n`, key: `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n` };
}

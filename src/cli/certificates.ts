import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { type Role, unitOf } from "../hands/identity.ts";
import { algorithm, importKey, keyInPem, newKeys, newSerial, reachedBy } from "../net/x509.ts";

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
      ...(addresses.length > 0 ? [reachedBy(addresses)] : []),
    ],
  });
  return inPem(cert, keys);
}

const nameOf = (name: string, unit: string) => new Name([{ CN: [name] }, { OU: [unit] }]);

async function inPem(cert: X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<Pair> {
  return { cert: `${cert.toString("pem")}\n`, key: await keyInPem(keys) };
}

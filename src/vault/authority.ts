import "reflect-metadata";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { limits } from "../limits.ts";
import { algorithm, keyInPem, newKeys, newSerial } from "../net/x509.ts";

/** In PEM. */
export interface Authority {
  certificate: string;
  private_key: string;
}

/**
 * A certificate authority that nobody trusts but the programs of one session. It signs no other authority. `now` is in `ms`
 * since 1970: it is valid from a while before, since the clocks of hosts differ.
 */
export async function makeSessionAuthority(sessionId: string, now: number): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: new Name([{ CN: [`Drover session ${sessionId}`] }, { O: ["Drover"] }]),
    keys,
    serialNumber: newSerial(),
    notBefore: new Date(now - limits.session_authority_early_ms),
    notAfter: new Date(now + limits.session_authority_ms),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, private_key: await keyInPem(keys) };
}

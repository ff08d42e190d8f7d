import "reflect-metadata";
import { randomBytes } from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { limits } from "../limits.ts";

cryptoProvider.set(crypto);

/** In PEM. */
export interface Authority {
  certificate: string;
  private_key: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/**
 * A certificate authority that nobody trusts but the programs of one session. It signs no other authority. `now` is in `ms`
 * since 1970: it is valid from a while before, since the clocks of hosts differ.
 */
export async function makeSessionAuthority(sessionId: string, now: number): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: new Name([{ CN: [`Drover session ${sessionId}`] }, { O: ["Drover"] }]),
    keys,
    serialNumber: `40${randomBytes(15).toString("hex")}`,
    notBefore: new Date(now - limits.session_authority_early_ms),
    notAfter: new Date(now + limits.session_authority_ms),
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: `${certificate.toString("pem")}\n`,
    private_key: `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}

import "reflect-metadata";
import { createHash, type webcrypto } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { limits } from "../limits.ts";
import type { SessionSecrets } from "../net/vault-wire.ts";
import { algorithm, importKey, keyInPem, newKeys, newSerial, reachedBy } from "../net/x509.ts";

export type Authority = SessionSecrets["authority"];

/** What a host shows to programs that trust a session's authority. One key for all of them, which this process alone has. */
export interface Certificates {
  /** Rejects where the authority cannot sign. */
  of(authority: Authority, host: string): Promise<SecureContext>;
}

interface Made {
  context: Promise<SecureContext>;
  /** In `ms` since 1970. */
  renew_at: number;
}

export function createCertificates(now: () => number = Date.now): Certificates {
  let keys: Promise<{ public_key: webcrypto.CryptoKey; pem: string }> | null = null;
  /** The one that was wanted last is at the end. */
  const made = new Map<string, Made>();

  async function sign({ certificate, private_key }: Authority, host: string): Promise<SecureContext> {
    keys ??= ownKeys();
    const { public_key, pem } = await keys;
    const issuer = new X509Certificate(certificate);
    const leaf = await X509CertificateGenerator.create({
      subject: new Name([{ CN: ["Drover egress"] }]),
      issuer: issuer.subjectName,
      publicKey: public_key,
      signingKey: await importKey(private_key),
      serialNumber: newSerial(),
      // Clocks differ; and programs do not like one that is valid longer than what has signed it.
      notBefore: new Date(Math.max(now() - limits.leaf_early_ms, issuer.notBefore.getTime())),
      notAfter: new Date(Math.min(now() + limits.leaf_ms, issuer.notAfter.getTime())),
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        reachedBy([host]),
        await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ],
    });
    return createSecureContext({ key: pem, cert: leaf.toString("pem"), minVersion: "TLSv1.2" });
  }

  return {
    of(authority, host) {
      const key = `${fingerprintOf(authority)} ${host}`;
      const found = made.get(key);
      made.delete(key);
      if (found && now() < found.renew_at) {
        made.set(key, found);
        return found.context;
      }
      const context = sign(authority, host);
      made.set(key, { context, renew_at: now() + limits.leaf_ms / 2 });
      context.catch(() => made.delete(key));
      for (const oldest of made.keys()) {
        if (made.size <= limits.leaves_max) break;
        made.delete(oldest);
      }
      return context;
    },
  };
}

const fingerprintOf = ({ certificate, private_key }: Authority): string =>
  createHash("sha256").update(certificate).update("\n").update(private_key).digest("base64");

async function ownKeys() {
  const keys = await newKeys();
  return { public_key: keys.publicKey, pem: await keyInPem(keys) };
}
